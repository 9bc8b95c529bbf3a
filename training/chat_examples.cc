#include "training/chat_examples.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "datasets/byte_source.h"
#include "datasets/document_reader.h"
#include "datasets/line_reader.h"
#include "datasets/split.h"

namespace retro {
namespace {

using nlohmann::json;

// What a line says, before it is tokenized.
struct Conversation {
  std::vector<ChatMessage> messages;
  std::vector<bool> learn;

  void Add(std::string role, std::string content, bool learned = false) {
    messages.push_back({std::move(role), std::move(content)});
    learn.push_back(learned);
  }
};

// Why a line cannot be used.
struct Unusable {
  std::string kind, detail;
};

const std::string* Text(const json& object, const char* field) {
  const auto value = object.find(field);
  return value == object.end() || !value->is_string() ? nullptr : value->get_ptr<const std::string*>();
}

const std::string* Text(const json& object, const char* field, const char* other) {
  const std::string* text = Text(object, field);
  return text != nullptr ? text : Text(object, other);
}

Conversation FromMessages(const json& list) {
  if (!list.is_array()) throw Unusable{"bad conversation", "\"messages\" is not a list"};
  Conversation conversation;
  for (const json& message : list) {
    const std::string* role = message.is_object() ? Text(message, "role") : nullptr;
    const std::string* content = message.is_object() ? Text(message, "content") : nullptr;
    if (role == nullptr || content == nullptr) {
      throw Unusable{"bad conversation", "a message needs \"role\" and \"content\", both text"};
    }
    const json weight = message.value("weight", json(1));
    conversation.Add(*role, *content, *role == "assistant" && weight != json(0));
  }
  return conversation;
}

Conversation FromPair(const json& line) {
  const std::string *prompt = Text(line, "prompt"), *instruction = Text(line, "instruction"),
                    *input = Text(line, "input", "context"), *response = Text(line, "response", "output"),
                    *system = Text(line, "system");
  if (response == nullptr || (prompt == nullptr && instruction == nullptr)) {
    throw Unusable{"unknown fields", "a line needs messages, prompt and response, or instruction and response"};
  }
  Conversation conversation;
  if (system != nullptr && !system->empty()) conversation.Add("system", *system);
  std::string asked = prompt != nullptr ? *prompt : *instruction;
  if (prompt == nullptr && input != nullptr && !IsBlank(*input)) asked += "\n\n" + *input;
  conversation.Add("user", std::move(asked));
  conversation.Add("assistant", *response, true);
  return conversation;
}

Conversation Parse(std::string_view line) {
  json parsed;
  try {
    parsed = json::parse(line);
  } catch (const json::exception& error) {
    throw Unusable{"bad JSON", error.what()};
  }
  if (!parsed.is_object()) throw Unusable{"bad JSON", "not an object"};
  Conversation conversation = parsed.contains("messages") ? FromMessages(parsed["messages"]) : FromPair(parsed);
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    if (conversation.learn[i] && IsBlank(conversation.messages[i].content)) {
      throw Unusable{"empty response", "an assistant message without text"};
    }
  }
  return conversation;
}

// What the part that an example belongs to depends on.
std::string Key(const Conversation& conversation) {
  std::string key;
  for (const ChatMessage& message : conversation.messages) key += message.role + '\0' + message.content + '\0';
  return key;
}

class Reader {
 public:
  Reader(const ChatTemplate& chat, const Tokenizer& tokenizer, const ChatExampleOptions& options, ChatExamples& out)
      : chat_(chat), tokenizer_(tokenizer), options_(options), split_(options.valid_fraction, 0, 0), out_(out) {}

  void Add(std::string_view line) {
    const Conversation conversation = Parse(line);
    ChatExample example = Render(conversation);
    if (example.tokens.size() > options_.max_tokens) Shorten(example);
    const bool valid = split_.PartOf(Key(conversation)) == Part::kValid;
    (valid ? out_.valid : out_.train).push_back(std::move(example));
  }

 private:
  ChatExample Render(const Conversation& conversation) const {
    try {
      return chat_.RenderExample(conversation.messages, conversation.learn, tokenizer_);
    } catch (const Error& error) {
      throw Unusable{"bad conversation", error.what()};
    }
  }

  void Shorten(ChatExample& example) {
    const std::string detail = fmt::format("{} tokens, --seq-len is {}", example.tokens.size(), options_.max_tokens);
    if (options_.long_examples == LongExamples::kDrop) throw Unusable{"too long", detail};
    example.tokens.resize(options_.max_tokens);
    example.learned.resize(options_.max_tokens);
    if (std::ranges::find(example.learned, true) == example.learned.end()) {
      throw Unusable{"too long even cut", detail};
    }
    ++out_.cut;
  }

  const ChatTemplate& chat_;
  const Tokenizer& tokenizer_;
  const ChatExampleOptions& options_;
  Split split_;
  ChatExamples& out_;
};

// Says at once what would make every line fail.
void CheckMarks(const ChatTemplate& chat, const Tokenizer& tokenizer) {
  const ChatMessage messages[] = {{"user", "?"}, {"assistant", "!"}};
  chat.RenderExample(messages, {false, true}, tokenizer);
}

}  // namespace

uint64_t ChatExamples::num_tokens(const std::vector<ChatExample>& part) const {
  return std::accumulate(part.begin(), part.end(), uint64_t{0},
                         [](uint64_t sum, const ChatExample& example) { return sum + example.tokens.size(); });
}

uint64_t ChatExamples::num_learned(const std::vector<ChatExample>& part) const {
  return std::accumulate(part.begin(), part.end(), uint64_t{0}, [](uint64_t sum, const ChatExample& example) {
    return sum + static_cast<uint64_t>(std::ranges::count(example.learned, true));
  });
}

ChatExamples ReadChatExamples(const std::filesystem::path& path, const ChatTemplate& chat, const Tokenizer& tokenizer,
                              const ChatExampleOptions& options) {
  CheckMarks(chat, tokenizer);
  ChatExamples examples;
  ProblemLog problems(BadInput::kSkip, examples.report);
  Reader reader(chat, tokenizer, options, examples);
  const ReaderOptions limits;
  const auto source = OpenByteSource(path, limits.max_unpack_ratio);
  LineReader lines(*source, limits.max_line_bytes);
  std::span<char> line;
  for (auto status = lines.Next(line); status != LineReader::Status::kEnd; status = lines.Next(line)) {
    const std::string place = fmt::format("{}:{}", path.string(), lines.line_number());
    const std::string_view text(line.data(), line.size());
    try {
      if (status == LineReader::Status::kTooLong) throw Unusable{"line too long", "left out"};
      if (!IsBlank(text)) reader.Add(text);
    } catch (const Unusable& why) {
      problems.Add(why.kind, place, why.detail);
    }
  }
  examples.report.documents = examples.train.size() + examples.valid.size();
  if (examples.train.empty()) {
    const std::string why = examples.report.Summary();
    Throw(ErrorCode::kInvalidArgument, "{}: has no example to train on{}{}", path.string(), why.empty() ? "" : ": ",
          why);
  }
  return examples;
}

}  // namespace retro
