// The lexical index on a retrieval benchmark: nDCG@10 and recall@100 of BM25, time of a search, bytes of a posting.
//   lexical_benchmark --corpus C.jsonl --queries Q.jsonl --qrels R.tsv [--repeat N]
// Each document is one chunk: title and text. Qrels: "query-id corpus-id score" by tabs, under a line of names. One
// JSON object on stdout. --repeat indexes the corpus N times over, for timing alone.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "datasets/document.h"
#include "retriever/lexical_index.h"
#include "retriever/lexical_index_writer.h"

namespace retro {
namespace {

using Clock = std::chrono::steady_clock;
using Judgements = std::map<std::string, std::map<std::string, int>>;  // query → document → grade

constexpr size_t kDepth = 100, kGainDepth = 10;

struct Arguments {
  std::string corpus, queries, qrels;
  int repeat = 1;
};

struct Scores {
  double ndcg = 0, recall = 0;
  size_t queries = 0;
};

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

std::vector<Document> ReadAll(const std::string& path) {
  const auto reader = OpenDocuments({path}, {});
  std::vector<Document> documents;
  for (Document document; reader->Next(document);) documents.push_back(document);
  return documents;
}

Judgements ReadJudgements(const std::string& path) {
  std::ifstream file(path);
  if (!file) Throw(ErrorCode::kNotFound, "{}: cannot be read", path);
  Judgements judgements;
  std::string line, query, document;
  std::getline(file, line);  // names of the columns
  for (int grade = 0; std::getline(file, line);) {
    std::istringstream fields(line);
    if (fields >> query >> document >> grade && grade > 0) judgements[query][document] = grade;
  }
  return judgements;
}

double Discounted(double gain, size_t rank) { return gain / std::log2(static_cast<double>(rank) + 2); }

// As trec_eval: gains are the grades.
void Score(const std::vector<std::string>& ranking, const std::map<std::string, int>& grades, Scores& scores) {
  double gain = 0, ideal = 0, found = 0;
  for (size_t rank = 0; rank < ranking.size(); ++rank) {
    const auto grade = grades.find(ranking[rank]);
    if (grade == grades.end()) continue;
    found += 1;
    if (rank < kGainDepth) gain += Discounted(grade->second, rank);
  }
  std::vector<int> best;
  for (const auto& [document, grade] : grades) best.push_back(grade);
  std::ranges::sort(best, std::greater<>());
  for (size_t rank = 0; rank < std::min(best.size(), kGainDepth); ++rank) ideal += Discounted(best[rank], rank);
  scores.ndcg += gain / ideal;
  scores.recall += found / static_cast<double>(grades.size());
  ++scores.queries;
}

uint64_t FolderBytes(const std::filesystem::path& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) bytes += entry.file_size();
  return bytes;
}

void Run(const Arguments& arguments) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "retro-lexical-benchmark";
  const std::vector<Document> corpus = ReadAll(arguments.corpus);
  const auto start = Clock::now();
  LexicalIndexWriter writer(folder, size_t{256} << 20);
  for (int copy = 0; copy < arguments.repeat; ++copy) {
    for (const Document& document : corpus) writer.Add(LexicalTerms(document.title + "\n" + document.text));
  }
  writer.Finish();
  const double build_seconds = Seconds(start);
  const LexicalIndex index(folder);
  const LexicalIndex* parts[] = {&index};
  const Judgements judgements = ReadJudgements(arguments.qrels);
  Scores scores;
  double seconds = 0;
  for (const Document& query : ReadAll(arguments.queries)) {
    const auto grades = judgements.find(query.id);
    if (grades == judgements.end()) continue;
    const auto begin = Clock::now();
    const auto hits = index.Search(LexicalQuery(query.text, parts), kDepth);
    seconds += Seconds(begin);
    std::vector<std::string> ranking;
    for (const LexicalHit& hit : hits) ranking.push_back(corpus[hit.chunk.value % corpus.size()].id);
    Score(ranking, grades->second, scores);
  }
  const auto count = static_cast<double>(scores.queries);
  std::cout << nlohmann::ordered_json{{"chunks", index.num_chunks()},
                                      {"terms", index.num_terms()},
                                      {"queries", scores.queries},
                                      {"ndcg_at_10", scores.ndcg / count},
                                      {"recall_at_100", scores.recall / count},
                                      {"search_ms", seconds / count * 1e3},
                                      {"build_s", build_seconds},
                                      {"bytes", FolderBytes(folder)},
                                      {"bytes_a_term_of_text", static_cast<double>(FolderBytes(folder)) /
                                                                   static_cast<double>(index.total_length())}}
                   .dump()
            << "\n";
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) {
  retro::Arguments arguments;
  CLI::App app("BM25 of the lexical index on a retrieval benchmark");
  app.add_option("--corpus", arguments.corpus, "Documents as JSON lines")->required();
  app.add_option("--queries", arguments.queries, "Queries as JSON lines with id and text")->required();
  app.add_option("--qrels", arguments.qrels, "query-id, corpus-id and score by tabs")->required();
  app.add_option("--repeat", arguments.repeat, "Index the corpus so many times over, for timing");
  CLI11_PARSE(app, argc, argv);
  try {
    retro::Run(arguments);
  } catch (const std::exception& error) {
    std::cerr << "lexical_benchmark: " << error.what() << "\n";
    return 1;
  }
}
