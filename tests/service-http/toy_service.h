// A server in this process with a model whose every answer is known, and a database of a few documents.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "retriever/live_database.h"
#include "service/http/server.h"
#include "tests/testing/http_client.h"
#include "tests/testing/small_database.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/toy_cache.h"

namespace retro {

// What its database answers.
inline const nlohmann::json kQuestion = {{"question", "Who designed the Amber Bridge?"}};

// 256 bytes, then the end of a text and the marks of ChatML.
class ChatTokenizer final : public Tokenizer {
 public:
  static constexpr TokenId kEos = 256;
  static constexpr int kVocabSize = 259;

  ChatTokenizer() { special_.eos = kEos; }
  using Tokenizer::Decode;
  using Tokenizer::Encode;
  void Encode(std::string_view text, const EncodeOptions&, std::vector<TokenId>& ids) const override {
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  }
  std::string Decode(std::span<const TokenId> ids, const DecodeOptions& options) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (id < kEos) text += static_cast<char>(id);
      if (id >= kEos && !options.skip_special) text += Spelling(id);
    }
    return text;
  }
  size_t vocab_size() const override { return kVocabSize; }
  const SpecialTokens& special() const override { return special_; }
  bool IsSpecial(TokenId id) const override { return id >= kEos; }
  std::optional<TokenId> Find(std::string_view token) const override {
    for (TokenId id = kEos; id < kVocabSize; ++id) {
      if (Spelling(id) == token) return id;
    }
    return std::nullopt;
  }
  std::string_view Spelling(TokenId id) const override {
    static constexpr std::string_view kMarks[] = {"</s>", "<|im_start|>", "<|im_end|>"};
    return id >= kEos ? kMarks[id - kEos] : "?";
  }
  std::string_view kind() const override { return "bpe"; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  SpecialTokens special_;
  std::string fingerprint_ = "chat bytes";
};

// Writes `script`, then the end of the text, after a prompt that ends in ">" or a line feed (as chats do); each next
// token has a logit of 10, and every other one a small one of its own. Can be held: then every pass waits.
class ScriptedDecoder final : public Decoder {
 public:
  explicit ScriptedDecoder(std::string script, int64_t context_len = 4000)
      : script_(std::move(script)), base_script_(script_) {
    config_.family = "scripted";
    config_.vocab_size = ChatTokenizer::kVocabSize;
    config_.context_len = context_len;
  }

  // What it writes as the base of an adapter.
  void SetBaseScript(std::string script) { base_script_ = std::move(script); }

  void Hold() { Set(true); }
  void Release() { Set(false); }
  // Returns when a pass waits.
  void AwaitHeldPass() const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return num_held_ > 0; });
  }
  size_t num_passes() const {
    const std::lock_guard lock(mutex_);
    return num_passes_;
  }

  const DecoderConfig& config() const override { return config_; }
  uint64_t num_parameters() const override { return 0; }
  uint64_t weight_bytes() const override { return 0; }
  std::unique_ptr<KvCache> NewCache(int num_sequences, int64_t capacity) const override {
    return std::make_unique<ToyCache>(num_sequences, capacity);
  }
  void Forward(KvCache& cache, std::span<const SequenceInput> inputs, LogitsFor which, std::vector<float>& logits,
               ThreadPool&) const override {
    Wait();
    logits.clear();
    for (const SequenceInput& input : inputs) {
      auto& tokens = static_cast<ToyCache&>(cache).tokens(input.sequence);
      const LogitsFor wanted = input.logits.value_or(which);
      for (size_t i = 0; i < input.tokens.size(); ++i) {
        tokens.push_back(input.tokens[i]);
        const bool last = i + 1 == input.tokens.size();
        if (wanted == LogitsFor::kNone || (wanted == LogitsFor::kLastToken && !last)) continue;
        const std::vector<float> row = Logits(tokens, input.adapted ? script_ : base_script_);
        logits.insert(logits.end(), row.begin(), row.end());
      }
    }
  }

  std::vector<float> Logits(std::span<const TokenId> tokens) const { return Logits(tokens, script_); }

 private:
  static std::vector<float> Logits(std::span<const TokenId> tokens, const std::string& script) {
    std::vector<float> row(ChatTokenizer::kVocabSize);
    for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>((i * 7 + tokens.size()) % 31) / 31;
    size_t written = 0;
    while (written < tokens.size() && !IsMark(tokens[tokens.size() - 1 - written])) ++written;
    row[written < script.size() ? static_cast<unsigned char>(script[written]) : ChatTokenizer::kEos] = 10;
    return row;
  }

  static bool IsMark(TokenId token) { return token == '>' || token == '\n'; }
  void Set(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  void Wait() const {
    std::unique_lock lock(mutex_);
    ++num_passes_;
    ++num_held_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    --num_held_;
  }

  std::string script_, base_script_;
  DecoderConfig config_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool held_ = false;
  mutable int num_held_ = 0;
  mutable size_t num_passes_ = 0;
};

// A member of each part, so that a test changes what it wants before Start().
struct ToyService {
  explicit ToyService(std::string script = "Elsa Norling", int64_t context_len = 4000)
      : decoder(std::make_shared<ScriptedDecoder>(std::move(script), context_len)) {
    options.port = 0;
  }
  ~ToyService() { decoder->Release(); }

  void AddDatabase() {
    WriteSmallDatabase(
        folder / "db",
        {{.id = "bridge", .text = "The Amber Bridge was designed by Elsa Norling in 1931.", .title = "Amber Bridge"},
         {.id = "metal", .text = "Copper melts at 1085 degrees, and tin at 232 degrees Celsius.", .title = "Metals"},
         {.id = "long/one", .text = std::string(300, 'x') + " the end", .title = "Long"}},
        64);
    embedder = MakeHashingEmbedder();
    database = OpenSmallDatabase(folder / "db");
  }

  HttpServer& Start() {
    auto tokenizer = std::make_shared<ChatTokenizer>();
    engine = std::make_shared<Engine>(other_decoder ? other_decoder : decoder, tokenizer, limits, 1);
    ServedModel model;
    model.id = "toy";
    model.adapter_id = adapter_id;
    model.engine = engine;
    if (has_chat) model.chat = std::make_shared<ChatTemplate>(ChatTemplate::Parse(kChatMl, "test"));
    model.embedder = embedder;
    model.database = [database = database, live = live] { return live ? live->Current() : database; };
    model.editor = editor;
    model.answer.retrieval = model.database() ? RetrievalMode::kPrompt : RetrievalMode::kOff;
    model.answer.threshold = -1;
    if (!adapter_id.empty()) model.answer.prompt_form = PromptForm::kPlain;
    model.feedback_file = (folder / "feedback.jsonl").string();
    server = std::make_unique<HttpServer>(options, std::move(model));
    return *server;
  }

  // One request on a connection of its own.
  ClientReply Call(const std::string& method, const std::string& target, const std::string& body = "") {
    HttpClient client(server->port());
    return client.Call(method, target, body);
  }
  ClientReply Post(const std::string& target, const nlohmann::json& body) { return Call("POST", target, body.dump()); }

  static constexpr std::string_view kChatMl =
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
      "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

  TempDir folder;
  HttpOptions options;
  EngineLimits limits;
  std::string adapter_id;
  bool has_chat = true;
  std::shared_ptr<ScriptedDecoder> decoder;
  std::shared_ptr<const Decoder> other_decoder;  // instead, where a test needs one
  std::shared_ptr<const Embedder> embedder;
  std::shared_ptr<const RetrievalDatabase> database;
  std::shared_ptr<LiveDatabase> live;  // instead of `database`, where it changes
  std::shared_ptr<DatabaseEditor> editor;
  std::shared_ptr<Engine> engine;
  std::unique_ptr<HttpServer> server;  // first to go
};

// The events of a stream: names (empty for unnamed ones) and data.
inline std::vector<std::pair<std::string, std::string>> ParseEvents(const std::string& body) {
  std::vector<std::pair<std::string, std::string>> events;
  for (size_t at = 0; at < body.size();) {
    const size_t end = body.find("\n\n", at);
    std::string block = body.substr(at, end - at), name;
    at = end == std::string::npos ? body.size() : end + 2;
    if (block.starts_with(":")) continue;
    if (block.starts_with("event: ")) {
      name = block.substr(7, block.find('\n') - 7);
      block.erase(0, block.find('\n') + 1);
    }
    events.emplace_back(name, block.substr(std::string("data: ").size()));
  }
  return events;
}

}  // namespace retro
