// Question sets and the documents that hold their answers.
#include <algorithm>
#include <set>

#include "core/error.h"
#include "datasets/byte_source.h"
#include "datasets/line_reader.h"
#include "evaluation/qa_evaluation.h"

namespace retro {
namespace {

using nlohmann::json;

constexpr size_t kMaxLineBytes = size_t{16} << 20;

class QuestionLine {
 public:
  QuestionLine(std::span<const char> line, std::string place) : place_(std::move(place)) {
    json_ = json::parse(line.begin(), line.end(), nullptr, false);
    if (!json_.is_object()) Fail("is not a JSON object");
  }

  QaQuestion Read() const {
    QaQuestion question;
    if (!json_.contains("question") || !json_["question"].is_string()) Fail("has no string \"question\"");
    question.question = json_["question"];
    question.id = json_.contains("id") && json_["id"].is_string() ? json_["id"].get<std::string>() : place_;
    if (json_.value("answerable", json(true)) != json(false)) {
      question.answers = Strings(json_.contains("answers") ? "answers" : "answer");
      if (question.answers.empty()) Fail("has no answer (if there is none, \"answerable\" must be false)");
    }
    if (json_.contains("doc_ids")) question.doc_ids = Strings("doc_ids");
    return question;
  }

 private:
  [[noreturn]] void Fail(std::string_view what) const { Throw(ErrorCode::kCorruption, "{} {}", place_, what); }

  std::vector<std::string> Strings(const char* field) const {
    if (!json_.contains(field)) Fail(fmt::format("has no \"{}\"", field));
    const json& value = json_[field];
    if (value.is_string()) return {value.get<std::string>()};
    const auto is_string = [](const json& item) { return item.is_string(); };
    if (!value.is_array() || !std::ranges::all_of(value, is_string)) {
      Fail(fmt::format("has a \"{}\" that is neither a string nor a list of strings", field));
    }
    return value.get<std::vector<std::string>>();
  }

  std::string place_;
  json json_;
};

std::vector<QaQuestion> SpreadEvenly(std::vector<QaQuestion> questions, size_t count) {
  if (count == 0 || count >= questions.size()) return questions;
  std::vector<QaQuestion> chosen;
  for (size_t i = 0; i < count; ++i) chosen.push_back(std::move(questions[i * questions.size() / count]));
  return chosen;
}

}  // namespace

std::vector<QaQuestion> ReadQaQuestions(const std::filesystem::path& path, size_t max_questions) {
  const auto source = OpenByteSource(path, ReaderOptions{}.max_unpack_ratio);
  LineReader lines(*source, kMaxLineBytes);
  std::vector<QaQuestion> questions;
  std::span<char> line;
  for (auto status = lines.Next(line); status != LineReader::Status::kEnd; status = lines.Next(line)) {
    const std::string place = fmt::format("{}:{}", path.string(), lines.line_number());
    if (status == LineReader::Status::kTooLong) {
      Throw(ErrorCode::kCorruption, "{} has more than {} bytes", place, kMaxLineBytes);
    }
    if (std::ranges::all_of(line, [](char c) { return c == ' ' || c == '\r' || c == '\t'; })) continue;
    questions.push_back(QuestionLine(line, place).Read());
  }
  if (questions.empty()) Throw(ErrorCode::kInvalidArgument, "{} holds no question", path.string());
  return SpreadEvenly(std::move(questions), max_questions);
}

std::map<std::string, Document> ReadGoldDocuments(std::span<const QaQuestion> questions,
                                                  const std::vector<std::filesystem::path>& corpus) {
  std::set<std::string> wanted;
  for (const QaQuestion& question : questions) wanted.insert(question.doc_ids.begin(), question.doc_ids.end());
  std::map<std::string, Document> found;
  const auto reader = OpenDocuments(corpus);
  Document document;
  while (found.size() < wanted.size() && reader->Next(document)) {
    if (wanted.contains(document.id)) found.try_emplace(document.id, document);
  }
  for (const std::string& id : wanted) {
    if (!found.contains(id)) {
      Throw(ErrorCode::kInvalidArgument,
            "the corpus lacks document {}, which holds an answer: give the corpus of these questions", id);
    }
  }
  return found;
}

}  // namespace retro
