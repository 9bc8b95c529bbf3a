// retro eval lm: bits per byte of held-out documents, with and without neighbours.
#include <iostream>
#include <set>

#include "cli/eval.h"
#include "cli/open.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "evaluation/lm_results.h"

namespace retro::cli {
namespace {

constexpr uint32_t kDefaultChunkLen = 64;

struct EvalLmOptions {
  std::string model, out, name;
  std::vector<std::string> inputs, arms;
  std::vector<int> ks;
  std::vector<double> db_fractions;
  bool int8 = false;
  std::string adapter;
  int64_t window_len = 0, stride = 0;
  LmDocumentOptions documents;
  DatabaseOptions database;
  int num_candidates = 0;
  BootstrapOptions bootstrap;
};

class Run {
 public:
  Run(const EvalLmOptions& options, const GlobalOptions& globals)
      : options_(options), globals_(globals), pool_(globals.num_threads) {}

  void operator()() {
    // Opened first: a path that cannot be written is found now and not after hours.
    std::optional<AtomicFile> out;
    if (!options_.out.empty()) out.emplace(options_.out);
    Open();
    Plan();
    ReadDocuments();
    FindNeighbours();
    const LmEvaluation evaluation = Evaluate();
    const auto differences = Differences(evaluation, options_.bootstrap);
    const nlohmann::json results = LmResultsToJson(evaluation, differences, info_);
    if (out) {
      out->Append(Dump(results, 1) + "\n");
      out->Finish();
    }
    if (globals_.json) {
      nlohmann::json brief = results;
      brief["lm"].erase("documents");
      std::cout << Dump(brief, -1) << '\n';
      return;
    }
    std::cout << LmResultsToMarkdown(evaluation, differences, info_);
  }

 private:
  // Names of files may be no UTF-8.
  static std::string Dump(const nlohmann::json& json, int indent) {
    return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
  }

  const std::optional<RetroConfig>& retro() const { return model_.decoder->config().retro; }

  void Open() {
    model_ = OpenLanguageModel(options_.model, options_.int8, pool_, options_.adapter);
    if (!options_.database.db.empty()) {
      const auto embedder = OpenEmbedder(options_.database);
      database_ = std::make_unique<RetrievalDatabase>(
          options_.database.db, embedder, model_.tokenizer,
          options_.database.quick ? RetrievalDatabase::Verify::kSizes : RetrievalDatabase::Verify::kChecksums);
      if (retro()) RequireDatabaseOf(options_.model, *retro(), *database_);
    }
    chunk_len_ = retro() ? static_cast<uint32_t>(retro()->chunk_len)
                         : (database_ ? database_->chunks().chunk_len() : kDefaultChunkLen);
  }

  void Plan() {
    std::vector<std::string> kinds = options_.arms;
    if (kinds.empty() && retro() && database_) kinds = {"off", "on", "random", "other"};
    if (kinds.empty()) kinds = {"off"};
    const std::vector<int> ks =
        options_.ks.empty() ? std::vector{retro() ? static_cast<int>(retro()->num_neighbours) : 1} : options_.ks;
    arms_ = PlanLmArms(kinds, ks, options_.db_fractions);
    RequireNeighboursPossible(arms_, options_.model, retro(), database_ != nullptr);
    std::set<double> fractions = {1.0};
    for (const LmArm& arm : arms_) fractions.insert(arm.db_fraction);
    fractions_.assign(fractions.begin(), fractions.end());
    window_ = ChooseWindow(options_.window_len, options_.stride, model_.decoder->config().context_len, chunk_len_,
                           retro().has_value());
  }

  void ReadDocuments() {
    LmDocumentOptions reading = options_.documents;
    reading.chunk_len = chunk_len_;
    documents_ = ReadLmDocuments({options_.inputs.begin(), options_.inputs.end()}, *model_.tokenizer, reading);
    if (!documents_.problems.empty()) spdlog::warn("{}", documents_.problems);
  }

  void FindNeighbours() {
    if (!database_) return;
    int most = 1;
    uint64_t chunks = 0;
    for (const LmArm& arm : arms_) most = std::max(most, arm.k);
    for (const LmDocument& document : documents_.documents) chunks += document.num_chunks();
    const LmNeighbourOptions search{fractions_, most, options_.num_candidates, options_.documents.seed,
                                    options_.database.search};
    Progress progress("neighbours", "chunks", chunks);
    neighbours_ =
        FindLmNeighbours(*database_, documents_.documents, search, pool_, [&](uint64_t count) { progress.Add(count); });
    progress.Finish();
  }

  std::vector<LmArmRun> ArmRuns() const {
    std::vector<LmArmRun> runs;
    if (!database_) return {{arms_[0], {}}};
    ChunkDocuments chunk_documents(database_->chunks());
    const LmArmInput input{documents_.documents,
                           neighbours_,
                           fractions_,
                           database_->chunks().num_chunks(),
                           [&](ChunkId chunk) { return chunk_documents.HashOf(chunk); },
                           options_.documents.seed,
                           [&](ChunkId chunk) { return database_->chunks().IsRemoved(chunk); }};
    for (const LmArm& arm : arms_) runs.push_back({arm, ChooseLmNeighbours(arm, input)});
    return runs;
  }

  LmEvaluation Evaluate() {
    const std::vector<LmArmRun> runs = ArmRuns();
    uint64_t tokens = 0;
    for (const LmDocument& document : documents_.documents) tokens += document.num_scored();
    const LmScoreFunction score = [&](std::span<const TokenId> ids, const RetrieveFunction& retrieve) {
      ScoreOptions scoring{.window_len = window_.window_len, .min_context = window_.window_len - window_.stride};
      scoring.retrieve = retrieve;
      return ScoreTokens(*model_.decoder, ids, scoring, pool_);
    };
    NeighbourTokensFunction neighbour_tokens;
    if (database_ && retro()) neighbour_tokens = NeighbourTokensOf(database_->chunks(), retro()->neighbour_len);
    Progress progress("scoring", "tokens", tokens * arms_.size());
    DescribeRun();
    LmEvaluation evaluation = EvaluateLm(std::move(documents_.documents), chunk_len_, runs, score, neighbour_tokens,
                                         [&](uint64_t count) { progress.Add(count); });
    progress.Finish();
    if (evaluation.interrupted) {
      spdlog::warn("interrupted: the results are those of the first {} documents", evaluation.documents.size());
    }
    for (size_t d = 0; database_ && d < evaluation.documents.size(); ++d) {
      auto& overlaps = evaluation.overlaps.emplace_back();
      for (const ChunkFindings& findings : neighbours_.findings[d]) overlaps.push_back(findings.overlap);
    }
    return evaluation;
  }

  // "smollm2" of "models/smollm2/".
  std::string Name() const {
    if (!options_.name.empty()) return options_.name;
    const auto path = std::filesystem::absolute(options_.model).lexically_normal();
    return (path.has_filename() ? path : path.parent_path()).filename().string();
  }

  void DescribeRun() {
    info_.model = Name();
    info_.version = RETRO_VERSION;
    nlohmann::json arms = nlohmann::json::array();
    for (const LmArm& arm : arms_) arms.push_back(arm.name);
    info_.config = {{"model", options_.model},
                    {"int8", options_.int8},
                    {"adapter", options_.adapter},
                    {"inputs", options_.inputs},
                    {"part", options_.documents.part},
                    {"max_documents", options_.documents.max_documents},
                    {"max_document_tokens", options_.documents.max_document_tokens},
                    {"arms", arms},
                    {"window", window_.window_len},
                    {"stride", window_.stride},
                    {"context_len", model_.decoder->config().context_len},
                    {"chunk_len", chunk_len_},
                    {"tokenizer", model_.tokenizer->fingerprint()},
                    {"parameters", model_.decoder->num_parameters()},
                    {"seed", options_.documents.seed},
                    {"bootstrap_samples", options_.bootstrap.num_samples},
                    {"confidence", options_.bootstrap.confidence}};
    info_.input = {{"prefix", documents_.prefix},
                   {"empty_documents", documents_.num_empty},
                   {"cut_documents", documents_.num_cut},
                   {"problems", documents_.problems}};
    if (database_) DescribeDatabase();
  }

  void DescribeDatabase() {
    nlohmann::json fewer = nlohmann::json::array();
    for (size_t f = 0; f < fractions_.size(); ++f) {
      fewer.push_back({{"db_fraction", fractions_[f]}, {"chunks", neighbours_.num_short[f]}});
    }
    info_.database = {{"path", options_.database.db},
                      {"chunks", database_->chunks().num_chunks()},
                      {"documents", database_->chunks().num_documents()},
                      {"candidates", neighbours_.num_candidates},
                      {"nprobe", options_.database.search.nprobe},
                      {"rerank_factor", options_.database.search.rerank_factor},
                      {"short_of_neighbours", fewer},
                      {"documents_met", neighbours_.documents_met}};
    if (neighbours_.documents_met > 0) {
      spdlog::warn(
          "{} of the documents are in the database themselves: their overlap counts that, their neighbours do not",
          neighbours_.documents_met);
    }
  }

  const EvalLmOptions& options_;
  const GlobalOptions& globals_;
  ThreadPool pool_;
  LanguageModel model_;
  std::unique_ptr<RetrievalDatabase> database_;
  uint32_t chunk_len_ = kDefaultChunkLen;
  std::vector<LmArm> arms_;
  std::vector<double> fractions_;
  LmWindow window_;
  LmDocuments documents_;
  LmNeighbours neighbours_;
  LmRunInfo info_;
};

void AddInputOptions(CLI::App& lm, EvalLmOptions& options) {
  lm.add_option("--input", options.inputs,
                "Held-out documents (JSON lines or text, plain, .gz or .zst; folders of these; - for stdin) or folders "
                "made by retro corpus build")
      ->required();
  lm.add_option("--part", options.documents.part, "Part of a corpus folder")->capture_default_str();
  lm.add_option("--max-documents", options.documents.max_documents, "A sample of as many documents; 0: all")
      ->capture_default_str();
  lm.add_option("--max-document-tokens", options.documents.max_document_tokens,
                "Only the beginning of longer documents; 0: whole documents")
      ->capture_default_str();
  lm.add_option("--window", options.window_len, "Tokens that the decoder sees at once; 0: 2048, or its context")
      ->capture_default_str();
  lm.add_option("--stride", options.stride, "New tokens of each further window; 0: half the window")
      ->capture_default_str();
}

void AddNeighbourOptions(CLI::App& lm, EvalLmOptions& options) {
  lm.add_option("--db", options.database.db, "The retrieval database; for a plain decoder only the overlap is taken");
  lm.add_option("--encoder", options.database.encoder,
                "Folder of the encoder; default: the one that the database was built with")
      ->envname("RETRO_ENCODER");
  lm.add_option("--arms", options.arms,
                "off (no neighbours), on (the nearest), random (chunks of the database), other (those of another "
                "document); default: all that the model and --db allow")
      ->delimiter(',');
  lm.add_option("--k", options.ks, "Neighbours of a chunk, and further numbers to sweep; default: the model's")
      ->delimiter(',');
  lm.add_option("--db-fractions", options.db_fractions, "Sweep: shares of the database's documents, e.g. 0.1,0.3,1")
      ->delimiter(',');
  lm.add_option("--candidates", options.num_candidates,
                "Chunks that the one search finds, for sweeps to choose from; 0: enough for nearly every chunk")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  lm.add_option("--nprobe", options.database.search.nprobe, "Lists of the index to visit; 0: as when it was built")
      ->capture_default_str();
  lm.add_option("--rerank-factor", options.database.search.rerank_factor,
                "Candidates ordered by exact distance, for each wanted; 0: as when it was built")
      ->capture_default_str();
  lm.add_flag("--quick", options.database.quick, "Check the database's file sizes only, not the checksums");
}

}  // namespace

void AddEvalLm(CLI::App& eval, const GlobalOptions& globals) {
  auto* lm = eval.add_subcommand("lm", "Bits per byte of documents with and without neighbours, by overlap");
  auto options = std::make_shared<EvalLmOptions>();
  AddModelOption(*lm, options->model, options->int8, options->adapter);
  AddInputOptions(*lm, *options);
  AddNeighbourOptions(*lm, *options);
  lm->add_option("--bootstrap-samples", options->bootstrap.num_samples, "Drawn for the intervals of differences")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  lm->add_option("--confidence", options->bootstrap.confidence, "Of those intervals")
      ->check(CLI::Range(0.01, 0.999))
      ->capture_default_str();
  lm->add_option("--seed", options->documents.seed, "Of the sample, the random neighbours and the intervals")
      ->capture_default_str();
  lm->add_option("--name", options->name, "The model's name in tables; default: that of its folder");
  lm->add_option("--out", options->out, "Write all results here, as JSON, for retro eval report");
  lm->callback([options, &globals] {
    options->bootstrap.seed = options->documents.seed;
    Run(*options, globals)();
  });
}

}  // namespace retro::cli
