// How a conversation is written for a chat model. Models ship this as a Jinja program; retro does not run programs from
// model files but recognizes the usual families by their text and refuses the others.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "datasets/tokenizer.h"

namespace retro {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

// A finished conversation as tokens to learn from.
struct ChatExample {
  std::vector<TokenId> tokens;
  std::vector<bool> learned;  // for each: it is of a reply that is to be learned, its end-of-turn mark included
};

// A value; const methods are safe from many threads.
class ChatTemplate {
 public:
  // The template of a model folder (chat_template.jinja, or chat_template in tokenizer_config.json) or of a GGUF file.
  // Throws Error(kNotFound) when the model has none, Error(kInvalidArgument) when it is of no known family.
  static ChatTemplate Load(const std::filesystem::path& path);

  // `source` is the Jinja text, `named` the file for messages. Throws Error(kInvalidArgument) as Load does.
  static ChatTemplate Parse(std::string_view source, const std::string& named);

  // Throws Error(kInvalidArgument) naming the template's file and the mark when the tokenizer lacks one that
  // conversations are written with: every Render would fail.
  void CheckMarks(const Tokenizer& tokenizer) const;

  // The tokens of a conversation, ready for the answer when `add_generation_prompt`. Only the template's own marks
  // become special tokens: such text inside a message stays ordinary text. Throws Error(kInvalidArgument) on an unknown
  // role, an empty conversation, a system message that is not the first, or when the tokenizer lacks the marks.
  std::vector<TokenId> Render(std::span<const ChatMessage> messages, bool add_generation_prompt,
                              const Tokenizer& tokenizer) const;

  // The conversation up to the end of the last assistant message whose entry in `learn` is true. Such a message is
  // encoded apart from what stands before it, as generation does: what comes before its text are then the tokens that
  // Render gives for the messages before it. Throws as Render, and when no message is to be learned. REQUIRES: one
  // entry each
  ChatExample RenderExample(std::span<const ChatMessage> messages, const std::vector<bool>& learn,
                            const Tokenizer& tokenizer) const;

  // The same as text, for people and tests; never encode it.
  std::string RenderText(std::span<const ChatMessage> messages, bool add_generation_prompt) const;

  // The mark that ends an answer: "<|im_end|>" or "<|eot_id|>".
  std::string_view end_of_turn() const;
  std::string_view family() const;                       // "chatml" or "llama3"
  const std::string& source() const { return source_; }  // the Jinja text

 private:
  enum class Family { kChatMl, kLlama3 };
  struct Piece {
    std::string text;
    bool is_mark = false;     // one special token of the template
    bool is_learned = false;  // of a reply that is to be learned
  };
  // `learn`: as of RenderExample; empty: nothing is to be learned.
  std::vector<Piece> Pieces(std::span<const ChatMessage> messages, const std::vector<bool>& learn = {}) const;
  void AppendTurn(std::string_view role, std::string_view content, std::vector<Piece>& pieces) const;
  void AppendGenerationPrompt(std::vector<Piece>& pieces) const;
  void AppendReply(std::string_view content, std::vector<Piece>& pieces) const;
  static void AppendTokens(const Piece& piece, const Tokenizer& tokenizer, std::vector<TokenId>& ids);

  std::string source_, named_;
  Family family_ = Family::kChatMl;
  bool trims_content_ = false;
  bool begins_with_bos_ = false;               // "<|begin_of_text|>"
  std::optional<std::string> default_system_;  // said when the conversation has no system message
};

}  // namespace retro
