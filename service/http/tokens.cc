#include "core/utf8.h"
#include "service/http/body_fields.h"
#include "service/http/handlers.h"
#include "service/http/model_info.h"
#include "service/http/request_error.h"
#include "service/http/send_json.h"
#include "service/http/token_fields.h"
#include "service/http/workers.h"

namespace retro {
namespace {

namespace asio = boost::asio;

nlohmann::json Tokenize(const ServiceContext& context, const HttpRequest& request) {
  const nlohmann::json body = ParseBody(request, context.limits.json_depth);
  const BodyFields fields(body);
  ReadModel(fields, context.model);
  const Tokenizer& tokenizer = context.model.engine->tokenizer();
  const EncodeOptions options{.parse_special = true, .add_special = fields.Bool("add_special_tokens", true)};
  const std::vector<TokenId> tokens = tokenizer.Encode(fields.RequiredText("prompt"), options);
  nlohmann::json spellings;
  if (fields.Bool("return_token_strs", false)) {
    spellings = nlohmann::json::array();
    for (const TokenId token : tokens) spellings.push_back(tokenizer.Spelling(token));
  }
  return {{"count", tokens.size()},
          {"max_model_len", context.model.engine->decoder().config().context_len},
          {"tokens", tokens},
          {"token_strs", std::move(spellings)}};
}

nlohmann::json Detokenize(const ServiceContext& context, const HttpRequest& request) {
  const nlohmann::json body = ParseBody(request, context.limits.json_depth);
  const BodyFields fields(body);
  ReadModel(fields, context.model);
  const nlohmann::json* tokens = fields.Find("tokens");
  if (tokens == nullptr) RefuseField("tokens", "tokens is missing: it must be a list of token ids");
  const Tokenizer& tokenizer = context.model.engine->tokenizer();
  return {{"prompt", ReplaceInvalidUtf8(tokenizer.Decode(ReadTokens(*tokens, "tokens", tokenizer)))}};
}

nlohmann::json SpellingOrNull(const Tokenizer& tokenizer, const std::optional<TokenId>& token) {
  return token ? nlohmann::json(tokenizer.Spelling(*token)) : nlohmann::json();
}

}  // namespace

asio::awaitable<void> HandleTokenize(ServiceContext& context, Exchange& exchange) {
  const auto work = [&] { return Tokenize(context, exchange.request()); };
  const nlohmann::json json = co_await OnWorker(context.workers, work);
  co_await SendJson(exchange, json);
}

asio::awaitable<void> HandleDetokenize(ServiceContext& context, Exchange& exchange) {
  const auto work = [&] { return Detokenize(context, exchange.request()); };
  const nlohmann::json json = co_await OnWorker(context.workers, work);
  co_await SendJson(exchange, json);
}

asio::awaitable<void> HandleTokenizerInfo(ServiceContext& context, Exchange& exchange) {
  const Tokenizer& tokenizer = context.model.engine->tokenizer();
  const SpecialTokens& special = tokenizer.special();
  const ChatTemplate* chat = context.model.chat.get();
  const nlohmann::json json = {{"tokenizer_class", tokenizer.kind()},
                               {"vocab_size", tokenizer.vocab_size()},
                               {"bos_token", SpellingOrNull(tokenizer, special.bos)},
                               {"eos_token", SpellingOrNull(tokenizer, special.eos)},
                               {"pad_token", SpellingOrNull(tokenizer, special.pad)},
                               {"unk_token", SpellingOrNull(tokenizer, special.unk)},
                               {"chat_template", chat ? nlohmann::json(chat->source()) : nlohmann::json()},
                               {"model_max_length", context.model.engine->decoder().config().context_len},
                               {"fingerprint", tokenizer.fingerprint()}};
  co_await SendJson(exchange, json);
}

}  // namespace retro
