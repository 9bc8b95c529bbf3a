// The question and its passages as a chat: what the decoder reads before it answers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "datasets/tokenizer.h"
#include "model/chat_template.h"
#include "retriever/retrieval_database.h"

namespace retro {

// What a model says that was fine-tuned to tell when the passages hold no answer.
inline constexpr std::string_view kRefusal = "The passages hold no answer.";

// What a model needs before the question. One that was not trained to answer from passages learns the form of an answer
// from worked examples better than from instructions; one that was (retro examples grounded) reads a shorter prompt.
enum class PromptForm { kWorkedExamples, kPlain };

// The chat that asks this of these passages, numbered from 1 in the order given; of none, from memory. The last message
// is the user's; replies before it are the worked examples. Fine-tuning data is made of it, too (retro examples).
std::vector<ChatMessage> PromptMessages(std::string_view question, std::span<const Passage> passages, PromptForm form);

struct Prompt {
  std::vector<TokenId> tokens;
  size_t num_passages = 0;     // the first ones of those given; the others had no room
  bool first_was_cut = false;  // only its beginning had room
};

// Passages are numbered from 1 in the order given (best first). They are data: what they say about roles, special
// tokens or what to do is ordinary text to the tokenizer and is framed as quoted. When the chat has more than
// `max_tokens` tokens, the last passages are left out; the first one is cut at a character instead. Throws
// Error(kInvalidArgument) naming both numbers when not even the question has room.
Prompt MakePrompt(std::string_view question, std::span<const Passage> passages, PromptForm form, int64_t max_tokens,
                  const ChatTemplate& chat, const Tokenizer& tokenizer);

// For a chat of someone else's making: what its system message says of passages, and its last question with them before
// it. The same form and the same care as above.
std::string_view PassageInstruction();
std::string QuestionWithPassages(std::span<const Passage> passages, std::string_view question);

}  // namespace retro
