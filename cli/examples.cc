// retro examples: data to fine-tune on, in the very prompts that questions are asked with.
#include <iostream>

#include "cli/command.h"
#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "datasets/byte_source.h"
#include "datasets/line_reader.h"
#include "service/prompt.h"

namespace retro::cli {
namespace {

struct ExamplesOptions {
  std::string input, out;
};

struct QuestionAndAnswer {
  std::string question, answer;
};

struct GroundedQuestions {
  std::vector<Passage> passages;
  std::vector<QuestionAndAnswer> asked;
};

QuestionAndAnswer ParseAsked(const nlohmann::json& json) {
  const nlohmann::json& answer = json.at("answer");
  return {json.at("question"), answer.is_null() ? std::string(kRefusal) : answer.get<std::string>()};
}

// {"passages": [{"title", "text"}], "question", "answer"}, or with "questions": [{"question", "answer"}]. An answer
// that is null stands for a refusal.
GroundedQuestions ParseQuestions(std::string_view line, const std::string& place) {
  try {
    const auto json = nlohmann::json::parse(line);
    GroundedQuestions parsed;
    for (const nlohmann::json& passage : json.at("passages")) {
      Passage& added = parsed.passages.emplace_back();
      passage.at("text").get_to(added.text);
      added.document.title = passage.value("title", "");
    }
    if (!json.contains("questions")) return {std::move(parsed.passages), {ParseAsked(json)}};
    for (const nlohmann::json& asked : json["questions"]) parsed.asked.push_back(ParseAsked(asked));
    return parsed;
  } catch (const nlohmann::json::exception& error) {
    Throw(ErrorCode::kInvalidArgument, "{}: a line needs passages, question and answer ({})", place, error.what());
  }
}

// The first question as it will be asked; those after it lean on the same passages, which are not read again.
nlohmann::json ChatOf(const GroundedQuestions& all, const std::string& place) {
  if (all.asked.empty()) Throw(ErrorCode::kInvalidArgument, "{}: the list of questions is empty", place);
  std::vector<ChatMessage> chat = PromptMessages(all.asked.front().question, all.passages, PromptForm::kPlain);
  for (size_t i = 0; i < all.asked.size(); ++i) {
    if (i > 0) chat.push_back({"user", QuestionWithPassages({}, all.asked[i].question)});
    chat.push_back({"assistant", all.asked[i].answer});
  }
  nlohmann::json messages = nlohmann::json::array();
  for (const ChatMessage& message : chat) messages.push_back({{"role", message.role}, {"content", message.content}});
  return {{"messages", std::move(messages)}};
}

void Grounded(const ExamplesOptions& options, const GlobalOptions& globals) {
  constexpr size_t kMaxLineBytes = size_t{16} << 20, kMaxUnpackRatio = 1000;
  const auto source = OpenByteSource(options.input, kMaxUnpackRatio);
  LineReader lines(*source, kMaxLineBytes);
  AtomicFile out(options.out);
  uint64_t count = 0;
  std::span<char> line;
  for (auto status = lines.Next(line); status != LineReader::Status::kEnd; status = lines.Next(line)) {
    const std::string place = fmt::format("{}:{}", options.input, lines.line_number());
    if (status == LineReader::Status::kTooLong) {
      Throw(ErrorCode::kInvalidArgument, "{}: the line has more than {} bytes", place, kMaxLineBytes);
    }
    const std::string_view text(line.data(), line.size());
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    out.Append(ChatOf(ParseQuestions(text, place), place).dump() + "\n");
    ++count;
  }
  out.Finish();
  if (globals.json) return PrintJson({{"out", options.out}, {"examples", count}});
  std::cout << fmt::format("{}: {} examples for retro train --examples\n", options.out, FormatCount(count));
}

}  // namespace

void AddExamples(CLI::App& app, const GlobalOptions& globals) {
  auto* examples = app.add_subcommand("examples", "Make data to fine-tune on")->require_subcommand(1);
  auto* grounded = examples->add_subcommand(
      "grounded",
      "Questions with passages and answers as the chats that retro ask would make of them.\n"
      "Each line: {\"passages\": [{\"title\", \"text\"}, ...], \"question\", \"answer\"}, or "
      "for several questions to the same\n"
      "passages \"questions\": [{\"question\", \"answer\"}, ...]; an answer of null stands for a "
      "question that they do not answer.");
  auto options = std::make_shared<ExamplesOptions>();
  grounded->add_option("--input", options->input, "JSON lines (.gz, .zst too)")->required();
  grounded->add_option("--out", options->out, "The chats, as JSON lines")->required();
  grounded->callback([options, &globals] { Grounded(*options, globals); });
}

}  // namespace retro::cli
