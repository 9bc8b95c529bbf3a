#include "evaluation/lm_results.h"

#include <fmt/format.h>

#include <cmath>

namespace retro {
namespace {

using nlohmann::json;

// Of the meaning of the arms' figures; a change makes results of different versions not comparable.
constexpr int kTaskVersion = 1;

json NumberOrNull(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json SumsToJson(const LmSums& sums) {
  json out = {{"nats", sums.nats},
              {"documents", sums.documents},
              {"chunks", sums.chunks},
              {"tokens", sums.tokens},
              {"bytes", sums.bytes},
              {"bits_per_byte", NumberOrNull(sums.BitsPerByte())},
              {"byte_perplexity", NumberOrNull(sums.BytePerplexity())},
              {"token_perplexity", NumberOrNull(sums.TokenPerplexity())}};
  if (sums.words > 0) {
    out["words"] = sums.words;
    out["word_perplexity"] = NumberOrNull(sums.WordPerplexity());
  }
  return out;
}

std::string_view KindName(LmArmKind kind) {
  constexpr std::string_view kNames[] = {"off", "on", "random", "other"};
  return kNames[static_cast<size_t>(kind)];
}

json OverlapsToJson(const LmEvaluation& evaluation, size_t arm) {
  json rows = json::array();
  for (const double limit : kOverlapLimits) {
    json row = SumsToJson(SumScores(evaluation, arm, {.source = {}, .max_overlap = limit}));
    row["max_overlap"] = limit;
    rows.push_back(std::move(row));
  }
  return rows;
}

json ArmToJson(const LmEvaluation& evaluation, size_t number) {
  const LmArmScores& scores = evaluation.arms[number];
  LmDocumentScores all;
  for (const LmDocumentScores& document : scores.documents) {
    all.num_greedy += document.num_greedy;
    all.num_queries += document.num_queries;
    all.num_neighbours += document.num_neighbours;
    all.num_windows += document.num_windows;
    all.seconds += document.seconds;
  }
  json arm = {{"name", scores.arm.name},
              {"kind", KindName(scores.arm.kind)},
              {"k", scores.arm.k},
              {"db_fraction", scores.arm.db_fraction},
              {"greedy_tokens", all.num_greedy},
              {"queries", all.num_queries},
              {"neighbours", all.num_neighbours},
              {"windows", all.num_windows},
              {"seconds", all.seconds},
              {"total", SumsToJson(SumScores(evaluation, number))},
              {"sources", json::object()}};
  for (const std::string& source : Sources(evaluation)) {
    arm["sources"][source] = SumsToJson(SumScores(evaluation, number, {.source = source, .max_overlap = {}}));
  }
  if (!evaluation.overlaps.empty()) arm["overlaps"] = OverlapsToJson(evaluation, number);
  return arm;
}

json DifferenceToJson(const LmDifference& difference) {
  json out = {{"arm", difference.arm},
              {"reference", difference.reference},
              {"scope", ScopeName(difference.scope)},
              {"bits_per_byte", NumberOrNull(difference.bits_per_byte)},
              {"relative", NumberOrNull(difference.relative)},
              {"low", nullptr},
              {"high", nullptr}};
  if (!difference.scope.source.empty()) out["source"] = difference.scope.source;
  if (difference.scope.max_overlap) out["max_overlap"] = *difference.scope.max_overlap;
  if (difference.interval) {
    out["low"] = difference.interval->low;
    out["high"] = difference.interval->high;
  }
  return out;
}

json HistogramToJson(const LmEvaluation& evaluation) {
  json rows = json::array();
  for (const OverlapBin& bin : OverlapHistogram(evaluation)) {
    rows.push_back(
        {{"low", bin.low}, {"high", bin.high}, {"chunks", bin.chunks}, {"tokens", bin.tokens}, {"bytes", bin.bytes}});
  }
  return rows;
}

json DocumentsToJson(const LmEvaluation& evaluation) {
  json rows = json::array();
  for (size_t d = 0; d < evaluation.documents.size(); ++d) {
    const LmDocument& document = evaluation.documents[d];
    json nats = json::object();
    for (const LmArmScores& arm : evaluation.arms) {
      double sum = 0;
      for (const double chunk : arm.documents[d].nats) sum += chunk;
      nats[arm.arm.name] = sum;
    }
    rows.push_back({{"id", document.id},
                    {"source", document.source},
                    {"tokens", document.num_scored()},
                    {"bytes", document.bytes},
                    {"words", document.words},
                    {"chunks", document.num_chunks()},
                    {"nats", std::move(nats)}});
  }
  return rows;
}

json HarnessFields(const LmEvaluation& evaluation, const LmRunInfo& info) {
  json out = {{"config", info.config}, {"model_name", info.model}, {"retro_version", info.version}};
  for (size_t arm = 0; arm < evaluation.arms.size(); ++arm) {
    const LmArm& its = evaluation.arms[arm].arm;
    const LmSums sums = SumScores(evaluation, arm);
    out["results"][its.name] = {{"alias", its.name},
                                {"bits_per_byte,none", NumberOrNull(sums.BitsPerByte())},
                                {"byte_perplexity,none", NumberOrNull(sums.BytePerplexity())},
                                {"word_perplexity,none", NumberOrNull(sums.WordPerplexity())}};
    out["configs"][its.name] = {{"task", its.name}, {"metadata", {{"version", kTaskVersion}}}};
    out["versions"][its.name] = kTaskVersion;
    out["n-samples"][its.name] = {{"original", sums.documents}, {"effective", sums.documents}};
    for (const char* metric : {"bits_per_byte", "byte_perplexity", "word_perplexity"}) {
      out["higher_is_better"][its.name][metric] = false;
    }
  }
  return out;
}

// A text inside a Markdown table.
std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '\\') out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

std::string Number(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "–";
}

std::string ArmTable(const LmEvaluation& evaluation) {
  std::string table =
      "| arm | bits per byte | byte perplexity | word perplexity | token perplexity | greedy | neighbours a chunk |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (size_t arm = 0; arm < evaluation.arms.size(); ++arm) {
    const LmSums sums = SumScores(evaluation, arm);
    uint64_t greedy = 0, queries = 0, neighbours = 0;
    for (const LmDocumentScores& document : evaluation.arms[arm].documents) {
      greedy += document.num_greedy;
      queries += document.num_queries;
      neighbours += document.num_neighbours;
    }
    table += fmt::format("| {} | {} | {} | {} | {} | {:.1f} % | {} |\n", evaluation.arms[arm].arm.name,
                         Number(sums.BitsPerByte(), 4), Number(sums.BytePerplexity(), 3),
                         Number(sums.WordPerplexity(), 2), Number(sums.TokenPerplexity(), 2),
                         100.0 * static_cast<double>(greedy) / static_cast<double>(sums.tokens),
                         queries == 0 ? "–" : fmt::format("{:.2f}", static_cast<double>(neighbours) / queries));
  }
  return table;
}

std::string DifferenceTable(const std::vector<LmDifference>& differences, double confidence) {
  std::string table = fmt::format(
      "| arm | against | over | bits per byte | {:g} % interval | relative |\n| --- | --- | --- | --- | --- | --- |\n",
      100 * confidence);
  for (const LmDifference& difference : differences) {
    if (!std::isfinite(difference.bits_per_byte)) continue;
    const std::string interval =
        difference.interval ? fmt::format("{:+.4f} … {:+.4f}", difference.interval->low, difference.interval->high)
                            : "–";
    table +=
        fmt::format("| {} | {} | {} | {:+.4f} | {} | {:+.2f} % |\n", difference.arm, difference.reference,
                    Cell(ScopeName(difference.scope)), difference.bits_per_byte, interval, 100 * difference.relative);
  }
  return table;
}

// A row for each scope: its size, and the bits per byte of every arm.
std::string ScopeTable(const LmEvaluation& evaluation, const std::vector<LmScope>& scopes, const char* heading) {
  std::string head = fmt::format("| {} | documents | chunks | tokens | bytes |", heading),
              rule = "| --- | --- | --- | --- | --- |";
  for (const LmArmScores& arm : evaluation.arms) {
    head += fmt::format(" {} |", arm.arm.name);
    rule += " --- |";
  }
  std::string table = fmt::format("{}\n{}\n", head, rule);
  for (const LmScope& scope : scopes) {
    const LmSums size = SumScores(evaluation, 0, scope);
    table += fmt::format("| {} | {} | {} | {} | {} |", Cell(ScopeName(scope)), size.documents, size.chunks, size.tokens,
                         size.bytes);
    for (size_t arm = 0; arm < evaluation.arms.size(); ++arm) {
      table += fmt::format(" {} |", Number(SumScores(evaluation, arm, scope).BitsPerByte(), 4));
    }
    table += "\n";
  }
  return table;
}

}  // namespace

std::string ScopeName(const LmScope& scope) {
  if (scope.max_overlap) return fmt::format("r ≤ {:g}", *scope.max_overlap);
  return scope.source.empty() ? "everything" : fmt::format("source {}", scope.source);
}

json LmResultsToJson(const LmEvaluation& evaluation, const std::vector<LmDifference>& differences,
                     const LmRunInfo& info) {
  json out = HarnessFields(evaluation, info);
  json lm = {{"format_version", 1},
             {"chunk_len", evaluation.chunk_len},
             {"interrupted", evaluation.interrupted},
             {"input", info.input},
             {"database", info.database},
             {"arms", json::array()},
             {"differences", json::array()},
             {"documents", DocumentsToJson(evaluation)}};
  for (size_t arm = 0; arm < evaluation.arms.size(); ++arm) lm["arms"].push_back(ArmToJson(evaluation, arm));
  for (const LmDifference& difference : differences) lm["differences"].push_back(DifferenceToJson(difference));
  if (!evaluation.overlaps.empty()) lm["overlap_histogram"] = HistogramToJson(evaluation);
  out["lm"] = std::move(lm);
  return out;
}

std::string LmResultsToMarkdown(const LmEvaluation& evaluation, const std::vector<LmDifference>& differences,
                                const LmRunInfo& info) {
  const LmSums size = SumScores(evaluation, 0);
  std::string text =
      fmt::format("{}: {} documents, {} tokens, {} bytes, {} words; window {}, stride {}{}\n\n", info.model,
                  size.documents, size.tokens, size.bytes, size.words, info.config.value("window", 0),
                  info.config.value("stride", 0), evaluation.interrupted ? "; interrupted" : "");
  text += ArmTable(evaluation);
  if (!differences.empty()) {
    text += "\n";
    text += DifferenceTable(differences, info.config.value("confidence", 0.95));
  }
  if (!evaluation.overlaps.empty()) {
    std::vector<LmScope> scopes;
    for (const double limit : kOverlapLimits) scopes.push_back({.source = {}, .max_overlap = limit});
    text += "\n";
    text += ScopeTable(evaluation, scopes, "overlap with the database");
  }
  std::vector<LmScope> scopes;
  for (const std::string& source : Sources(evaluation)) scopes.push_back({.source = source, .max_overlap = {}});
  if (scopes.size() > 1) {
    text += "\n";
    text += ScopeTable(evaluation, scopes, "source");
  }
  return text;
}

}  // namespace retro
