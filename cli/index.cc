// retro index build|verify|stats; the others have files of their own (cli/index.h).
#include "cli/index.h"

#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>

#include "cli/open.h"
#include "core/communicator.h"
#include "core/error.h"
#include "core/progress.h"
#include "index-builder/index_builder.h"
#include "index-builder/living_chunks.h"
#include "index-builder/verify_index.h"
#include "model/load_tokenizer.h"

namespace retro::cli {
namespace {

const std::map<std::string, std::optional<BuildStage>> kStages = {
    {"corpus", BuildStage::kCorpus}, {"chunks", BuildStage::kChunks}, {"embed", BuildStage::kEmbed},
    {"train", BuildStage::kTrain},   {"encode", BuildStage::kEncode}, {"merge", std::nullopt}};
// Ranks wait for one another as long as a stage takes; that of one that died is ended by mpirun.
constexpr double kRankPatienceS = 30.0 * 24 * 3600;

struct BuildOptions {
  std::vector<std::string> inputs;
  std::string out, encoder, tokenizer, stage = "merge", share = "0/1";
  uint64_t memory_mb = 1024;
  bool drop_embeddings = false, stop_on_bad_input = false;
  std::optional<EncoderPrecision> precision;
  IndexOptions index;
};

void CompleteOptions(BuildOptions& options) {
  IndexOptions& index = options.index;
  index.memory_bytes = options.memory_mb << 20;
  index.corpus.memory_bytes = std::min<size_t>(index.corpus.memory_bytes, index.memory_bytes / 4);
  if (options.drop_embeddings) index.keep_embeddings = false;
  if (options.stop_on_bad_input) index.corpus.reader.on_bad_input = BadInput::kStop;
  index.made_with = {{"encoder", AbsolutePath(options.encoder)}, {"tokenizer", AbsolutePath(options.tokenizer)}};
}

void Print(const std::string& folder, const nlohmann::json& stats) {
  const nlohmann::json& index = stats.at("index");
  std::cout << fmt::format("{}: {} documents, {} tokens, {} chunks, {}\n", folder, stats.at("documents").dump(),
                           stats.at("tokens").dump(), stats.at("chunks").dump(),
                           HumanBytes(stats.at("bytes").at("total").get<uint64_t>()));
  std::cout << fmt::format(
      "index {}, nprobe {}, rerank factor {}, recall@10 {:.3f}{}\n", index.at("factory").get<std::string>(),
      index.at("nprobe").dump(), index.at("rerank_factor").dump(), index.at("recall_at_10").get<double>(),
      index.at("recall_measured").get<bool>() ? " (measured on held-out queries)" : " (exact search)");
  if (const std::string precision = stats.at("fingerprints").value("embed_precision", ""); !precision.empty()) {
    std::cout << fmt::format("embedded in {}\n", precision);
  }
  if (stats.at("generation") == 0) return;
  for (const nlohmann::json& part : stats.at("parts")) {
    if (part.at("search").is_null()) continue;
    const nlohmann::json& search = part.at("search");
    std::cout << fmt::format("{} tuned: nprobe {}, efSearch {}, rerank factor {}, recall@{} {:.3f}, {:.2f} ms\n",
                             part.at("name").get<std::string>(), search.at("nprobe").dump(),
                             search.at("ef_search").dump(), search.at("rerank_factor").dump(), search.at("k").dump(),
                             search.at("recall").get<double>(), search.at("median_ms").get<double>());
  }
  std::cout << fmt::format("generation {}: {} parts, {} documents removed\n", stats.at("generation").dump(),
                           stats.at("parts").size(), stats.at("removed").at("documents").dump());
}

// "2/8": the third of eight.
BuildShare ParseShare(const std::string& text) {
  BuildShare share;
  int end = 0;
  const bool read = std::sscanf(text.c_str(), "%" SCNu32 "/%" SCNu32 "%n", &share.index, &share.count, &end) == 2;
  if (read && static_cast<size_t>(end) == text.size() && share.index < share.count) return share;
  Throw(ErrorCode::kInvalidArgument, "--shard {}: give I/N with I from 0 to N - 1, as 0/8", text);
}

void Build(BuildOptions options, const GlobalOptions& globals) {
  CompleteOptions(options);
  const BuildShare share = ParseShare(options.share);
  const std::optional<BuildStage> stage = kStages.at(options.stage);
  const std::vector<std::filesystem::path> inputs(options.inputs.begin(), options.inputs.end());
  // The workers of a stage do not know of each other, even when mpirun or srun started them.
  const std::unique_ptr<Communicator> ranks = stage ? std::make_unique<SingleProcess>() : ConnectRanks(kRankPatienceS);
  if (ranks->rank() != 0) Progress::SetEnabled(false);
  const auto tokenizer = LoadTokenizer(options.tokenizer);
  const Embedder embedder(options.encoder, options.precision.value_or(EncoderPrecision::kFp32));
  ThreadPool pool(globals.num_threads);
  if (stage) {
    return BuildIndexStage(inputs, *tokenizer, embedder, options.out, options.index, *stage, share, pool);
  }
  BuildIndex(inputs, *tokenizer, embedder, options.out, options.index, pool, *ranks);
  if (ranks->rank() != 0) return;
  const nlohmann::json stats = IndexStats(options.out);
  if (globals.json) return PrintJson(stats);
  Print(options.out, stats);
}

void AddBuild(CLI::App& index, const GlobalOptions& globals) {
  auto* build = index.add_subcommand("build", "A retrieval database from documents or a corpus folder");
  auto options = std::make_shared<BuildOptions>();
  build
      ->add_option("--input", options->inputs,
                   "Documents (JSON lines or text, plain, .gz or .zst; folders of these; - for "
                   "stdin) or one folder made by retro corpus build")
      ->required();
  build->add_option("--out", options->out, "The database folder to make")->required();
  build->add_option("--encoder", options->encoder, "Folder of the encoder that embeds the chunks")
      ->required()
      ->envname("RETRO_ENCODER");
  build
      ->add_option("--tokenizer", options->tokenizer,
                   "The decoder's tokenizer: a model folder, tokenizer.json, .model or .gguf")
      ->required()
      ->envname("RETRO_MODEL");
  AddPrecisionOption(*build, options->precision,
                     "What the encoder computes in: fp32, or int8, which is quicker and near it; the database keeps to "
                     "it when documents are added, and questions do unless told otherwise; default: fp32");
  build->add_option("--chunk-len", options->index.chunk_len, "Tokens of a chunk")->capture_default_str();
  build->add_option("--factory", options->index.factory, "FAISS index string; default: chosen by the number of chunks");
  auto* keep = AddKeepOption(*build, options->index);
  build->add_flag("--drop-embeddings", options->drop_embeddings, "Never keep them")->excludes(keep);
  build->add_flag("--embed-title", options->index.embed_title,
                  "Put the document's title before the text that is embedded");
  build->add_flag("--lexical", options->index.lexical,
                  "Also make a lexical index of the chunks' words, for retro search --lexical");
  build
      ->add_option("--memory", options->memory_mb,
                   "MiB that a stage may hold besides the encoder and, at the end, the index itself")
      ->check(CLI::Range(64, 1 << 22))
      ->capture_default_str();
  build->add_option("--block-chunks", options->index.block_chunks, "Chunks embedded as one resumable block")
      ->capture_default_str();
  build
      ->add_option("--training-chunks", options->index.training_chunks,
                   "Sample that the index is trained on; 0: as it wants")
      ->capture_default_str();
  build
      ->add_option("--target-recall", options->index.target_recall,
                   "Recall@10 that the default search setting must reach on held-out queries")
      ->capture_default_str();
  build->add_option("--seed", options->index.seed, "Of the samples")->capture_default_str();
  build
      ->add_option("--stage", options->stage,
                   "For workers that share the folder: make only what is missing of this stage; merge, as without it, "
                   "makes all that is missing and finishes")
      ->check(CLI::IsMember(kStages))
      ->capture_default_str();
  build->add_option("--shard", options->share, "I/N: of a stage, the blocks of worker I (from 0) of N")
      ->capture_default_str();
  build->add_flag("--stop-on-bad-input", options->stop_on_bad_input,
                  "End at the first bad line instead of counting it");
  build->callback([options, &globals] { Build(*options, globals); });
}

struct VerifyCommand {
  std::string db, encoder, tokenizer;
  VerifyOptions verify;
};

void Verify(const VerifyCommand& options, const GlobalOptions& globals) {
  const auto tokenizer = LoadTokenizer(options.tokenizer);
  const Embedder embedder(options.encoder, RecordedPrecision(options.db));
  ThreadPool pool(globals.num_threads);
  const nlohmann::json report = VerifyIndex(options.db, *tokenizer, embedder, options.verify, pool);
  if (globals.json) PrintJson(report);
  for (const nlohmann::json& check : report.at("checks")) {
    if (globals.json) break;
    std::cout << fmt::format("{:6} {}: {}\n", check.at("ok").get<bool>() ? "ok" : "FAILED",
                             check.at("name").get<std::string>(), check.at("detail").get<std::string>());
  }
  if (!report.at("ok").get<bool>()) {
    Throw(ErrorCode::kCorruption, "{}: is damaged, see above; build it again or restore it from a copy", options.db);
  }
}

void AddVerify(CLI::App& index, const GlobalOptions& globals) {
  auto* verify =
      index.add_subcommand("verify", "Check everything in a database: files, counts, a sample embedded again");
  auto options = std::make_shared<VerifyCommand>();
  verify->add_option("--db", options->db, "The retrieval database")->required();
  verify->add_option("--encoder", options->encoder, "The encoder that it was built with")
      ->required()
      ->envname("RETRO_ENCODER");
  verify->add_option("--tokenizer", options->tokenizer, "The tokenizer that it was built with")
      ->required()
      ->envname("RETRO_MODEL");
  verify->add_option("--sample", options->verify.sample_chunks, "Chunks to embed again")->capture_default_str();
  verify->callback([options, &globals] { Verify(*options, globals); });
}

void PrintContents(const nlohmann::json& stats) {
  const nlohmann::json& rate = stats.at("bytes_per_token");
  std::cout << fmt::format("{} chunks are short, {} bytes a token\n", stats.at("short_chunks").dump(),
                           rate.is_null() ? "-" : fmt::format("{:.1f}", rate.get<double>()));
  for (const auto& [name, counts] : stats.at("sources").items()) {
    std::cout << fmt::format("source {}: {} documents, {} chunks, {} tokens\n", name.empty() ? "(none)" : name,
                             counts.at("documents").dump(), counts.at("chunks").dump(), counts.at("tokens").dump());
  }
}

void AddStats(CLI::App& index, const GlobalOptions& globals) {
  auto* stats = index.add_subcommand("stats", "What a database holds, and of which sources");
  auto db = std::make_shared<std::string>();
  auto quick = std::make_shared<bool>(false);
  stats->add_option("--db", *db, "The retrieval database")->required();
  stats->add_flag("--quick", *quick, "From the manifests alone: without sources and short chunks");
  stats->callback([db, quick, &globals] {
    nlohmann::json json = IndexStats(*db);
    if (!*quick) json.update(SurveyContents(*OpenChunks(*db)));
    if (globals.json) return PrintJson(json);
    Print(*db, json);
    if (!*quick) PrintContents(json);
  });
}

}  // namespace

CLI::Option* AddKeepOption(CLI::App& command, IndexOptions& options) {
  return command
      .add_option_function<std::string>(
          "--keep-embeddings",
          [&options](const std::string& precision) {
            options.keep_embeddings = true;
            options.embedding_precision = precision == "int8" ? EmbeddingPrecision::kInt8 : EmbeddingPrecision::kHalf;
          },
          "Keep the embeddings, in half precision or in 8 bits (half the disk), and order what the index finds by "
          "their "
          "distance; half is the default for product-quantized indexes")
      ->expected(0, 1)
      ->default_str("half")
      ->check(CLI::IsMember(std::vector<std::string>{"half", "int8"}));
}

std::string AbsolutePath(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

void AddIndex(CLI::App& app, const GlobalOptions& globals) {
  auto* index = app.add_subcommand("index", "Build, change and check retrieval databases")->require_subcommand(1);
  AddBuild(*index, globals);
  AddVerify(*index, globals);
  AddStats(*index, globals);
  AddIndexChanges(*index, globals);
  AddIndexTransfer(*index, globals);
  AddIndexTune(*index, globals);
  AddIndexPlan(*index, globals);
}

}  // namespace retro::cli
