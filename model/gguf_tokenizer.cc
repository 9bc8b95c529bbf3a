#include "model/gguf_tokenizer.h"

#include <utility>

#include "core/error.h"

namespace retro {
namespace {

// The values of tokenizer.ggml.token_type that matter here.
constexpr int64_t kControlToken = 3;
constexpr int64_t kUserDefinedToken = 4;

std::optional<TokenId> SpecialId(const GgufFile& file, const char* name, size_t vocab_size) {
  const std::string key = std::string("tokenizer.ggml.") + name + "_token_id";
  const std::optional<int64_t> id = file.FindInteger(key);
  if (!id || *id < 0 || *id == UINT32_MAX) return std::nullopt;  // files write -1 for "none"
  if (*id >= static_cast<int64_t>(vocab_size)) {
    Throw(ErrorCode::kCorruption, "{}: {} is {}, the vocabulary has {} tokens", file.Describe(), key, *id, vocab_size);
  }
  return static_cast<TokenId>(*id);
}

// unknown_token_id is left out: byte-level BPE of such files drops bytes that have no token.
SpecialTokens ReadSpecialTokens(const GgufFile& file, size_t vocab_size) {
  SpecialTokens special;
  special.bos = SpecialId(file, "bos", vocab_size);
  special.eos = SpecialId(file, "eos", vocab_size);
  special.pad = SpecialId(file, "padding", vocab_size);
  special.cls = SpecialId(file, "cls", vocab_size);
  special.sep = SpecialId(file, "seperator", vocab_size);  // the format's own spelling
  special.mask = SpecialId(file, "mask", vocab_size);
  return special;
}

std::vector<AddedToken> ReadAddedTokens(const GgufFile& file, const std::vector<std::string>& tokens) {
  constexpr const char* kKey = "tokenizer.ggml.token_type";
  const std::vector<int64_t> types = file.FindIntegers(kKey).value_or(std::vector<int64_t>());
  if (!types.empty() && types.size() != tokens.size()) {
    Throw(ErrorCode::kCorruption, "{}: {} has {} entries for {} tokens", file.Describe(), kKey, types.size(),
          tokens.size());
  }
  std::vector<AddedToken> added;
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] != kControlToken && types[i] != kUserDefinedToken) continue;
    AddedToken token;
    token.id = static_cast<TokenId>(i);
    token.content = tokens[i];
    token.special = types[i] == kControlToken;
    added.push_back(std::move(token));
  }
  return added;
}

// Sets the pre-tokenizer and what goes with it, and returns whether texts begin with BOS unless the file says so
// itself.
bool ReadPreTokenizer(const GgufFile& file, ByteLevelBpeModel& model) {
  constexpr const char* kKey = "tokenizer.ggml.pre";
  const std::string name(file.FindString(kKey).value_or("gpt-2"));
  const std::optional<PreTokenizerKind> kind = PreTokenizerByGgufName(name);
  if (!kind) Throw(ErrorCode::kInvalidArgument, "{}: {} \"{}\" is not supported", file.Describe(), kKey, name);
  model.pre_tokenizer = *kind;
  const bool is_llama3 = name.starts_with("llama");
  model.ignore_merges = is_llama3;
  return is_llama3;
}

std::vector<std::string> ReadStrings(const GgufFile& file, const char* key) {
  const std::vector<std::string_view> views = file.GetStrings(key);
  return {views.begin(), views.end()};
}

}  // namespace

ByteLevelBpeModel ReadGgufTokenizer(const GgufFile& file) {
  const std::string_view kind = file.GetString("tokenizer.ggml.model");
  if (kind != "gpt2") {
    Throw(ErrorCode::kInvalidArgument,
          "{}: tokenizer.ggml.model \"{}\" is not supported, only gpt2 (byte-level BPE); give the tokenizer.json or "
          ".model file of this model",
          file.Describe(), kind);
  }
  ByteLevelBpeModel model;
  model.tokens = ReadStrings(file, "tokenizer.ggml.tokens");
  model.merges = ReadStrings(file, "tokenizer.ggml.merges");
  model.added = ReadAddedTokens(file, model.tokens);
  model.special = ReadSpecialTokens(file, model.tokens.size());
  model.add_prefix_space = file.FindBool("tokenizer.ggml.add_space_prefix").value_or(false);
  const bool begins_with_bos = ReadPreTokenizer(file, model);
  if (file.FindBool("tokenizer.ggml.add_bos_token").value_or(begins_with_bos) && model.special.bos) {
    model.prefix.push_back(*model.special.bos);
  }
  if (file.FindBool("tokenizer.ggml.add_eos_token").value_or(false) && model.special.eos) {
    model.suffix.push_back(*model.special.eos);
  }
  return model;
}

}  // namespace retro
