#include "model/chat_template.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "model/gguf.h"
#include "model/json_file.h"
#include "model/model_files.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// "\n" in a Jinja string is a line feed; templates are found with both spellings.
std::string WithLineFeeds(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    const bool escaped = source.substr(i, 2) == "\\n";
    text += escaped ? '\n' : source[i];
    if (escaped) ++i;
  }
  return text;
}

// Signs of a program that writes more than roles and contents, even without tools: dates, reasoning, rewritten parts.
std::optional<std::string_view> UnknownFeature(std::string_view text) {
  for (const std::string_view sign : {"strftime_now", "date_string", "think", "reasoning", "replace(", "split(",
                                      "continue_final_message", "documents", "<|im_sep|>"}) {
    if (Contains(text, sign)) return sign;
  }
  return std::nullopt;
}

[[noreturn]] void ThrowUnknownFeature(const std::string& named, std::string_view feature) {
  Throw(ErrorCode::kInvalidArgument, "{}: the chat template uses \"{}\", which retro does not know", named, feature);
}

// The system message that a ChatML template says by itself: a string literal that holds a whole system turn. Where the
// turn's content is an expression, the literal ends before the closing mark.
std::optional<std::string> DefaultSystem(std::string_view text) {
  constexpr std::string_view kOpen = "<|im_start|>system\n";
  constexpr std::string_view kClose = "<|im_end|>";
  for (size_t at = text.find(kOpen); at != std::string_view::npos; at = text.find(kOpen, at + 1)) {
    const bool quoted = at > 0 && (text[at - 1] == '\'' || text[at - 1] == '"');
    const std::string_view rest = text.substr(at + kOpen.size());
    const std::string_view literal = rest.substr(0, quoted ? rest.find(text[at - 1]) : rest.find("{{"));
    const size_t close = literal.find(kClose);
    if (close != std::string_view::npos) return std::string(literal.substr(0, close));
  }
  return std::nullopt;
}

bool TrimsContent(std::string_view text) { return Contains(text, "| trim") || Contains(text, "|trim"); }

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

void CheckMessages(std::span<const ChatMessage> messages) {
  if (messages.empty()) Throw(ErrorCode::kInvalidArgument, "a conversation needs at least one message");
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role == "system" && i > 0) {
      Throw(ErrorCode::kInvalidArgument, "message {}: a system message must be the first of a conversation", i + 1);
    }
    if (role != "system" && role != "user" && role != "assistant") {
      Throw(ErrorCode::kInvalidArgument, "message {}: role \"{}\"; must be system, user or assistant", i + 1, role);
    }
  }
}

// A string, or a list of named templates of which the one called "default" is meant.
std::optional<std::string> TemplateIn(const JsonFields& fields) {
  const nlohmann::json* value = fields.Find("chat_template");
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_array()) {
    for (const nlohmann::json& named : *value) {
      if (named.is_object() && named.value("name", nlohmann::json()) == "default" && named.contains("template") &&
          named["template"].is_string()) {
        return named["template"].get<std::string>();
      }
    }
  }
  fields.Refuse("chat_template", "must be a string, or a list with a template named default");
}

[[noreturn]] void ThrowNoTemplate(const fs::path& path) {
  Throw(ErrorCode::kNotFound, "{}: the model has no chat template; it was not made for conversations", path.string());
}

ChatTemplate LoadFromFolder(const fs::path& folder) {
  std::error_code ignored;
  const fs::path jinja = folder / "chat_template.jinja";
  if (fs::exists(jinja, ignored)) return ChatTemplate::Parse(ReadFile(jinja, size_t{1} << 20), jinja.string());
  const fs::path settings = folder / "tokenizer_config.json";
  if (!fs::exists(settings, ignored)) ThrowNoTemplate(folder);
  const nlohmann::json json = ReadJsonFile(settings);
  const std::optional<std::string> source = TemplateIn(JsonFields(json, settings));
  if (!source) ThrowNoTemplate(folder);
  return ChatTemplate::Parse(*source, settings.string());
}

}  // namespace

ChatTemplate ChatTemplate::Load(const fs::path& path) {
  const fs::path model = ResolveModelPath(path);
  if (!IsGguf(model)) return LoadFromFolder(model);
  const GgufFile file(model);
  const std::optional<std::string_view> source = file.FindString("tokenizer.chat_template");
  if (!source) ThrowNoTemplate(model);
  return Parse(*source, model.string());
}

ChatTemplate ChatTemplate::Parse(std::string_view source, const std::string& named) {
  const std::string text = WithLineFeeds(source);
  ChatTemplate result;
  result.source_ = source;
  result.named_ = named;
  if (const auto feature = UnknownFeature(text)) ThrowUnknownFeature(named, *feature);
  result.trims_content_ = TrimsContent(text);
  if (Contains(text, "<|im_start|>") && Contains(text, "<|im_end|>")) {
    // Which token bos_token is, a ChatML template does not say.
    if (Contains(text, "bos_token")) ThrowUnknownFeature(named, "bos_token");
    result.default_system_ = DefaultSystem(text);
  } else if (Contains(text, "<|start_header_id|>") && Contains(text, "<|eot_id|>")) {
    result.family_ = Family::kLlama3;
    result.begins_with_bos_ = Contains(text, "bos_token") || Contains(text, "<|begin_of_text|>");
  } else {
    Throw(ErrorCode::kInvalidArgument,
          "{}: the chat template is of no family that retro knows (ChatML with <|im_start|>, Llama 3 with "
          "<|start_header_id|>)",
          named);
  }
  return result;
}

void ChatTemplate::AppendTurn(std::string_view role, std::string_view content, std::vector<Piece>& pieces) const {
  const std::string_view said = trims_content_ ? Trimmed(content) : content;
  if (family_ == Family::kChatMl) {
    pieces.push_back({"<|im_start|>", true});
    pieces.push_back({fmt::format("{}\n{}", role, said)});
    pieces.push_back({"<|im_end|>", true});
    pieces.push_back({"\n"});
  } else {
    pieces.push_back({"<|start_header_id|>", true});
    pieces.push_back({std::string(role)});
    pieces.push_back({"<|end_header_id|>", true});
    pieces.push_back({fmt::format("\n\n{}", said)});
    pieces.push_back({"<|eot_id|>", true});
  }
}

void ChatTemplate::AppendReply(std::string_view content, std::vector<Piece>& pieces) const {
  AppendGenerationPrompt(pieces);
  pieces.push_back({.text = std::string(trims_content_ ? Trimmed(content) : content), .is_learned = true});
  pieces.push_back({.text = std::string(end_of_turn()), .is_mark = true, .is_learned = true});
  if (family_ == Family::kChatMl) pieces.push_back({"\n"});
}

std::vector<ChatTemplate::Piece> ChatTemplate::Pieces(std::span<const ChatMessage> messages,
                                                      const std::vector<bool>& learn) const {
  CheckMessages(messages);
  std::vector<Piece> pieces;
  if (begins_with_bos_) pieces.push_back({"<|begin_of_text|>", true});
  if (default_system_ && messages.front().role != "system") {
    AppendTurn("system", *default_system_, pieces);
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (!learn.empty() && learn[i] && message.role == "assistant")
      AppendReply(message.content, pieces);
    else
      AppendTurn(message.role, message.content, pieces);
  }
  return pieces;
}

void ChatTemplate::AppendGenerationPrompt(std::vector<Piece>& pieces) const {
  if (family_ == Family::kChatMl) {
    pieces.push_back({"<|im_start|>", true});
    pieces.push_back({"assistant\n"});
  } else {
    pieces.push_back({"<|start_header_id|>", true});
    pieces.push_back({"assistant"});
    pieces.push_back({"<|end_header_id|>", true});
    pieces.push_back({"\n\n"});
  }
}

void ChatTemplate::AppendTokens(const Piece& piece, const Tokenizer& tokenizer, std::vector<TokenId>& ids) {
  if (!piece.is_mark) return tokenizer.Encode(piece.text, {}, ids);
  const std::optional<TokenId> mark = tokenizer.Find(piece.text);
  if (!mark) {
    Throw(ErrorCode::kInvalidArgument, "the tokenizer has no token {}, which the model's chat template writes",
          piece.text);
  }
  ids.push_back(*mark);
}

void ChatTemplate::CheckMarks(const Tokenizer& tokenizer) const {
  const ChatMessage every_role[] = {{"system", ""}, {"user", ""}, {"assistant", ""}};
  for (const Piece& piece : Pieces(every_role)) {
    if (!piece.is_mark || tokenizer.Find(piece.text)) continue;
    Throw(
        ErrorCode::kInvalidArgument,
        "{}: the chat template writes {}, which the tokenizer lacks: give the model the tokenizer that belongs to its "
        "template",
        named_, piece.text);
  }
}

std::vector<TokenId> ChatTemplate::Render(std::span<const ChatMessage> messages, bool add_generation_prompt,
                                          const Tokenizer& tokenizer) const {
  std::vector<Piece> pieces = Pieces(messages);
  if (add_generation_prompt) AppendGenerationPrompt(pieces);
  std::vector<TokenId> ids;
  for (const Piece& piece : pieces) AppendTokens(piece, tokenizer, ids);
  return ids;
}

ChatExample ChatTemplate::RenderExample(std::span<const ChatMessage> messages, const std::vector<bool>& learn,
                                        const Tokenizer& tokenizer) const {
  std::vector<Piece> pieces = Pieces(messages, learn);
  while (!pieces.empty() && !pieces.back().is_learned) pieces.pop_back();
  if (pieces.empty()) {
    Throw(ErrorCode::kInvalidArgument, "the conversation has no assistant message that is to be learned");
  }
  ChatExample example;
  for (const Piece& piece : pieces) {
    AppendTokens(piece, tokenizer, example.tokens);
    example.learned.resize(example.tokens.size(), piece.is_learned);
  }
  return example;
}

std::string ChatTemplate::RenderText(std::span<const ChatMessage> messages, bool add_generation_prompt) const {
  std::vector<Piece> pieces = Pieces(messages);
  if (add_generation_prompt) AppendGenerationPrompt(pieces);
  std::string text;
  for (const Piece& piece : pieces) text += piece.text;
  return text;
}

std::string_view ChatTemplate::end_of_turn() const { return family_ == Family::kChatMl ? "<|im_end|>" : "<|eot_id|>"; }

std::string_view ChatTemplate::family() const { return family_ == Family::kChatMl ? "chatml" : "llama3"; }

}  // namespace retro
