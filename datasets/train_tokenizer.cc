#include "datasets/train_tokenizer.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <exception>
#include <unordered_map>

#include "core/error.h"
#include "core/file.h"
#include "core/utf8.h"
#include "datasets/document.h"

namespace retro {
namespace {

// Cuts texts into lines of bounded length. Exceptions of the source wait for Rethrow: the library knows none.
class LineIterator final : public sentencepiece::SentenceIterator {
 public:
  LineIterator(const std::function<bool(std::string&)>& next_text, size_t max_line_bytes)
      : next_text_(next_text), max_line_bytes_(max_line_bytes) {
    Next();
  }

  bool done() const override { return done_; }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

  void Next() override {
    try {
      do {
        while (begin_ >= text_.size()) {
          begin_ = 0;
          text_.clear();
          if (!next_text_(text_)) {
            done_ = true;
            return;
          }
        }
        TakeLine();
      } while (line_.empty());
    } catch (...) {
      exception_ = std::current_exception();
      done_ = true;
    }
  }

  void Rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  void TakeLine() {
    const size_t line_end = std::min(text_.find('\n', begin_), text_.size());
    const size_t end = line_end - begin_ > max_line_bytes_ ? CutBefore(begin_ + max_line_bytes_) : line_end;
    line_.assign(text_, begin_, end - begin_);
    begin_ = end == line_end ? end + 1 : end;
    if (!IsValidUtf8(line_)) line_ = ReplaceInvalidUtf8(line_);
    // The library takes these two for ends of its own.
    std::erase(line_, '\0');
    std::erase(line_, '\r');
  }

  // The last space before `limit`, or else the last whole character.
  size_t CutBefore(size_t limit) const {
    const size_t space = text_.rfind(' ', limit - 1);
    if (space != std::string::npos && space > begin_) return space;
    const auto window = std::string_view(text_).substr(begin_, limit - begin_);
    return begin_ + std::max<size_t>(CompleteUtf8Prefix(window), 1);
  }

  const std::function<bool(std::string&)>& next_text_;
  const size_t max_line_bytes_;
  std::string text_;
  size_t begin_ = 0;
  std::string line_;
  bool done_ = false;
  std::exception_ptr exception_;
};

// One entry of a comma-separated list, as the library reads them.
std::string Quoted(const std::string& entry) {
  std::string quoted = "\"";
  for (const char c : entry) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::unordered_map<std::string, std::string> LibraryOptions(const SentencePieceTraining& options) {
  std::unordered_map<std::string, std::string> arguments = {
      {"model_type", options.model == SentencePieceTraining::Model::kBpe ? "bpe" : "unigram"},
      {"vocab_size", std::to_string(options.vocab_size)},
      {"hard_vocab_limit", "false"},
      {"character_coverage", fmt::format("{}", options.character_coverage)},
      {"byte_fallback", options.byte_fallback ? "true" : "false"},
      {"max_sentence_length", std::to_string(options.max_line_bytes + 4)},
      {"num_threads", std::to_string(options.num_threads)},
      {"input_sentence_size", std::to_string(options.max_lines)},
      {"shuffle_input_sentence", "true"},
      {"minloglevel", "2"},
  };
  if (options.lossless) {
    arguments["normalization_rule_name"] = "identity";
    arguments["remove_extra_whitespaces"] = "false";
  }
  std::string control;
  for (const auto& token : options.control_tokens) {
    if (!control.empty()) control += ',';
    control += Quoted(token);
  }
  if (!control.empty()) arguments["control_symbols"] = control;
  return arguments;
}

void CheckOptions(const SentencePieceTraining& options) {
  if (options.vocab_size < 8 || options.vocab_size > 10'000'000) {
    Throw(ErrorCode::kInvalidArgument, "the vocabulary size must be from 8 to 10000000, not {}", options.vocab_size);
  }
  if (!(options.character_coverage >= 0.98 && options.character_coverage <= 1.0)) {
    Throw(ErrorCode::kInvalidArgument, "the character coverage must be from 0.98 to 1, not {}",
          options.character_coverage);
  }
  if (options.max_line_bytes < 16 || options.max_line_bytes > (size_t{1} << 24)) {
    Throw(ErrorCode::kInvalidArgument, "the longest line must be from 16 to 16777216 bytes, not {}",
          options.max_line_bytes);
  }
  if (options.num_threads < 1 || options.num_threads > 1024) {
    Throw(ErrorCode::kInvalidArgument, "the number of threads must be from 1 to 1024, not {}", options.num_threads);
  }
}

}  // namespace

void TrainSentencePiece(const std::function<bool(std::string&)>& next_text, const SentencePieceTraining& options,
                        const std::filesystem::path& out) {
  CheckOptions(options);
  LineIterator lines(next_text, options.max_line_bytes);
  lines.Rethrow();
  if (lines.done()) Throw(ErrorCode::kInvalidArgument, "there is no text to train a tokenizer on");
  sentencepiece::SetRandomGeneratorSeed(static_cast<unsigned>(options.seed & 0x7FFFFFFF));
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(LibraryOptions(options), &lines, &model);
  lines.Rethrow();
  if (!status.ok()) {
    Throw(ErrorCode::kInvalidArgument, "training failed: {}; give more text or a vocabulary other than {}",
          status.ToString(), options.vocab_size);
  }
  WriteFileAtomically(out, model);
}

void TrainSentencePiece(DocumentReader& documents, const SentencePieceTraining& options,
                        const std::filesystem::path& out) {
  Document document;
  TrainSentencePiece(
      [&](std::string& text) {
        if (!documents.Next(document)) return false;
        text = document.text;
        return true;
      },
      options, out);
}

}  // namespace retro
