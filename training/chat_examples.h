// The conversations of a file of JSON lines, tokenized for fine-tuning.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datasets/document.h"
#include "datasets/tokenizer.h"
#include "model/chat_template.h"

namespace retro {

enum class LongExamples { kDrop, kCut };

struct ChatExampleOptions {
  size_t max_tokens = 512;
  // Longer ones are left out, or lose the end of their last reply (and are left out when nothing of it remains).
  LongExamples long_examples = LongExamples::kDrop;
  double valid_fraction = 0;  // by the hash of what is said, so that equal examples are in one part
};

struct ChatExamples {
  std::vector<ChatExample> train, valid;
  uint64_t cut = 0;
  ReaderReport report;  // what was left out, by kind

  uint64_t num_tokens(const std::vector<ChatExample>& part) const;
  uint64_t num_learned(const std::vector<ChatExample>& part) const;
};

// Reads one file (.jsonl, plain or with .gz or .zst behind) into memory. A line is an object with
//   "messages": a list of {"role", "content"}; every assistant message is learned, but for those with "weight": 0, or
//   "prompt" and "response", or
//   "instruction", "input" (or "context"; may be empty) and "response" (or "output");
// the last two may have "system". Other fields are ignored. Lines that are none of these, and replies without text, are
// counted and left out. Throws Error: kInvalidArgument when not one example is left, and when the tokenizer lacks the
// template's marks; kNotFound, kIo, kCorruption.
ChatExamples ReadChatExamples(const std::filesystem::path& path, const ChatTemplate& chat, const Tokenizer& tokenizer,
                              const ChatExampleOptions& options);

}  // namespace retro
