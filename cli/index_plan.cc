// retro index plan: what a database of so many tokens takes, before anything is built.
#include "index-builder/index_plan.h"

#include <iostream>
#include <optional>

#include "cli/index.h"
#include "cli/open.h"
#include "core/progress.h"
#include "core/quantity.h"
#include "retriever/embedder.h"

namespace retro::cli {
namespace {

struct IndexPlanOptions {
  PlanOptions plan;
  PlanRates rates;
  std::string tokens, ram, disk, encoder;
  std::optional<EncoderPrecision> precision;
};

void PrintSize(const char* what, double bytes, const IndexPlan& plan, const std::string& note = "") {
  if (bytes == 0) return;
  std::cout << fmt::format("  {:<22}{:>12}{:>12.1f} B a chunk  {}\n", what, HumanBytes(static_cast<uint64_t>(bytes)),
                           bytes / plan.chunks, note);
}

void PrintHours(const char* what, double hours, const std::string& note) {
  std::cout << fmt::format("  {:<22}{:>12}  {}\n", what, hours > 0 ? FormatDuration(hours * 3600) : "-", note);
}

void PrintSizes(const IndexPlan& plan, const PlanOptions& options) {
  std::cout << "Disk\n";
  PrintSize("chunk store", plan.store_bytes, plan);
  PrintSize("index", plan.code_bytes + plan.centroid_bytes, plan);
  PrintSize("embeddings", plan.embedding_bytes, plan, fmt::format("--keep-embeddings {}", plan.embeddings));
  PrintSize("lexical index", plan.lexical_bytes, plan);
  PrintSize("corpus", plan.corpus_bytes, plan);
  PrintSize("all", plan.disk_bytes, plan);
  PrintSize("while it is built", plan.build_disk_bytes, plan);
  std::cout << fmt::format("RAM\n  {:<22}{:>12}  of each of {} workers, for the index\n", "index",
                           HumanBytes(static_cast<uint64_t>(plan.ram_bytes)), options.workers);
}

void PrintTimes(const IndexPlan& plan, const IndexPlanOptions& options, const PlanRates& rates) {
  std::cout << fmt::format("Time on {} workers of {} cores\n", options.plan.workers, rates.cores);
  PrintHours("embedding", plan.embed_hours,
             rates.embed_chunks_per_s > 0
                 ? fmt::format("{:.0f} chunks/s a worker", rates.embed_chunks_per_s)
                 : std::string("name the encoder with --encoder, or its rate with --embed-rate"));
  if (plan.lists > 0) {
    const std::string products = fmt::format("{:.1f} G multiply-adds/s a worker", rates.multiply_adds_per_s / 1e9);
    PrintHours("training the index", plan.train_hours, products);
    PrintHours("adding to the index", plan.add_hours, products);
  }
  PrintHours("searching every chunk", plan.query_all_hours,
             fmt::format("as for a neighbour table; {:.2f} ms a query on one core", plan.query_ms));
}

void Print(const IndexPlan& plan, const IndexPlanOptions& options, const PlanRates& rates) {
  std::cout << fmt::format("{} tokens in {} documents: {} chunks of {} tokens\n",
                           FormatCount(static_cast<uint64_t>(options.plan.tokens)),
                           FormatCount(static_cast<uint64_t>(plan.documents)),
                           FormatCount(static_cast<uint64_t>(plan.chunks)), options.plan.chunk_len);
  std::cout << fmt::format("Index {}", plan.factory);
  if (plan.lists > 0) {
    std::cout << fmt::format("; for recall@{} {:.2f} about nprobe {:.0f} and {:.0f} candidates re-ranked",
                             options.plan.k, options.plan.recall, plan.nprobe, plan.candidates);
  }
  std::cout << '\n';
  PrintSizes(plan, options.plan);
  PrintTimes(plan, options, rates);
  for (const std::string& problem : plan.problems) std::cout << "Does not fit: " << problem << '\n';
  if (plan.problems.empty() && (options.plan.ram_bytes > 0 || options.plan.disk_bytes > 0)) std::cout << "It fits.\n";
}

void Plan(IndexPlanOptions options, const GlobalOptions& globals) {
  PlanOptions& plan = options.plan;
  plan.tokens = ParseCount(options.tokens, "--tokens");
  if (!options.ram.empty()) plan.ram_bytes = ParseBytes(options.ram, "--ram");
  if (!options.disk.empty()) plan.disk_bytes = ParseBytes(options.disk, "--disk");
  ThreadPool pool(globals.num_threads);
  std::optional<Embedder> embedder;
  if (!options.encoder.empty()) {
    embedder.emplace(options.encoder, options.precision.value_or(EncoderPrecision::kFp32));
    plan.dim = embedder->dim();
  }
  const PlanRates rates = MeasureRates(embedder ? &*embedder : nullptr, plan.dim, plan.chunk_len, options.rates, pool);
  const IndexPlan result = PlanIndex(plan, rates);
  if (!globals.json) return Print(result, options, rates);
  nlohmann::json json = result.ToJson();
  json["rates"] = {{"embed_chunks_per_s", rates.embed_chunks_per_s},
                   {"multiply_adds_per_s", rates.multiply_adds_per_s},
                   {"code_ns", rates.code_ns},
                   {"disk_read_us", rates.disk_read_us},
                   {"cores", rates.cores}};
  PrintJson(json);
}

void AddLimits(CLI::App& command, IndexPlanOptions& options) {
  command.add_option("--tokens", options.tokens, "Tokens of the corpus: 300M, 1.4T")->required();
  command.add_option("--recall", options.plan.recall, "Recall that searches shall have")
      ->check(CLI::Range(0.01, 0.9999))
      ->capture_default_str();
  command.add_option("--ram", options.ram,
                     "Memory of a worker that the index may have: 512G, 80GiB; default: no limit");
  command.add_option("--disk", options.disk, "Disk for the whole database; default: no limit");
  command.add_option("--workers", options.plan.workers, "Machines like this one that share the work and the index")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
}

void AddShape(CLI::App& command, PlanOptions& plan) {
  command.add_option("--document-len", plan.document_len, "Tokens of a document, on average")->capture_default_str();
  command.add_option("--chunk-len", plan.chunk_len, "Tokens of a chunk")->capture_default_str();
  command.add_flag("--wide-tokens", plan.wide_tokens, "The vocabulary has more than 65,536 tokens");
  command.add_option("--dim", plan.dim, "Width of the embeddings; with --encoder: its own")->capture_default_str();
  command.add_option("--k", plan.k, "Neighbours of a search")->check(CLI::Range(1, 1000))->capture_default_str();
  command.add_flag("--lexical", plan.lexical, "With a lexical index");
  command.add_flag("--corpus", plan.corpus, "With the tokenized corpus, as when it is built from documents");
}

void AddRates(CLI::App& command, IndexPlanOptions& options) {
  command
      .add_option("--encoder", options.encoder,
                  "Measure how quick this encoder is here; without it and --embed-rate embedding has no hours")
      ->envname("RETRO_ENCODER");
  AddPrecisionOption(command, options.precision, "Measure it in fp32 or int8; default: fp32");
  command.add_option("--embed-rate", options.rates.embed_chunks_per_s, "Chunks a second that a worker embeds")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--multiply-add-rate", options.rates.multiply_adds_per_s,
                  "Multiplications with additions a second of a worker's matrix products; default: measured here")
      ->check(CLI::PositiveNumber);
  command.add_option("--code-ns", options.rates.code_ns, "Nanoseconds of a code that is looked at; default: measured")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--disk-read-us", options.rates.disk_read_us, "Microseconds of a read at a random place of the disk")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

}  // namespace

void AddIndexPlan(CLI::App& index, const GlobalOptions& globals) {
  auto* plan = index.add_subcommand(
      "plan",
      "What a database of so many tokens takes: index, RAM, disk and hours, by rates measured here or given\n"
      "For example: retro index plan --tokens 1.4T --recall 0.95 --ram 512G --workers 16 --embed-rate 1700");
  auto options = std::make_shared<IndexPlanOptions>();
  AddLimits(*plan, *options);
  AddShape(*plan, options->plan);
  AddRates(*plan, *options);
  plan->callback([options, &globals] { Plan(*options, globals); });
}

}  // namespace retro::cli
