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

struct Options {
  std::string input, out;
};

struct GroundedQuestion {
  std::string question;
  std::vector<Passage> passages;
  std::string answer;
};

// {"question", "passages": [{"title", "text"}], "answer"}; an answer that is null stands for a refusal.
GroundedQuestion ParseQuestion(std::string_view line, const std::string& place) {
  try {
    const auto json = nlohmann::json::parse(line);
    GroundedQuestion asked{json.at("question"), {}, std::string(kRefusal)};
    if (!json.at("answer").is_null()) json["answer"].get_to(asked.answer);
    for (const nlohmann::json& passage : json.at("passages")) {
      Passage& added = asked.passages.emplace_back();
      passage.at("text").get_to(added.text);
      added.document.title = passage.value("title", "");
    }
    return asked;
  } catch (const nlohmann::json::exception& error) {
    Throw(ErrorCode::kInvalidArgument, "{}: a line needs question, passages and answer ({})", place, error.what());
  }
}

// Only the answer is learned, not the replies that show the form.
nlohmann::json ChatOf(const GroundedQuestion& asked) {
  nlohmann::json messages = nlohmann::json::array();
  for (const ChatMessage& message : PromptMessages(asked.question, asked.passages)) {
    nlohmann::json json = {{"role", message.role}, {"content", message.content}};
    if (message.role == "assistant") json["weight"] = 0;
    messages.push_back(std::move(json));
  }
  messages.push_back({{"role", "assistant"}, {"content", asked.answer}});
  return {{"messages", std::move(messages)}};
}

void Grounded(const Options& options, const GlobalOptions& globals) {
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
    out.Append(ChatOf(ParseQuestion(text, place)).dump() + "\n");
    ++count;
  }
  out.Finish();
  if (globals.json) return PrintJson({{"out", options.out}, {"examples", count}});
  std::cout << fmt::format("{}: {} examples for retro train --examples\n", options.out, FormatCount(count));
}

}  // namespace

void AddExamples(CLI::App& app, const GlobalOptions& globals) {
  auto* examples = app.add_subcommand("examples", "Make data to fine-tune on")->require_subcommand(1);
  auto* grounded =
      examples->add_subcommand("grounded",
                               "Questions with passages and answers as the chats that retro ask would make of them.\n"
                               "Each line: {\"question\", \"passages\": [{\"title\", \"text\"}, ...], \"answer\"}; an "
                               "answer of null stands for\n"
                               "a question that the passages do not answer.");
  auto options = std::make_shared<Options>();
  grounded->add_option("--input", options->input, "JSON lines (.gz, .zst too)")->required();
  grounded->add_option("--out", options->out, "The chats, as JSON lines")->required();
  grounded->callback([options, &globals] { Grounded(*options, globals); });
}

}  // namespace retro::cli
