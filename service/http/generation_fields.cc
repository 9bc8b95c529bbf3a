#include "service/http/generation_fields.h"

#include <atomic>
#include <chrono>
#include <random>

#include "service/http/request_error.h"
#include "service/http/sse.h"

namespace retro {
namespace {

constexpr size_t kMostStops = 64;
constexpr int64_t kMostN = 128;

// Fields that would change the text and that this server does not know: not to be passed over in silence.
void RefuseUnsupported(const BodyFields& fields) {
  for (const char* field : {"presence_penalty", "frequency_penalty"}) {
    if (fields.Number(field, 0, -2, 2) != 0) {
      RefuseField(field, "{} is not supported: leave it out, or use repetition_penalty", field);
    }
  }
  const nlohmann::json* bias = fields.Find("logit_bias");
  if (bias != nullptr && !bias->empty()) RefuseField("logit_bias", "logit_bias is not supported: leave it out");
}

uint64_t NewSeed() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random();
}

}  // namespace

StreamFields ReadStreamFields(const BodyFields& fields) {
  StreamFields read{.stream = fields.Bool("stream", false)};
  if (const nlohmann::json* options = fields.Find("stream_options")) {
    if (!read.stream) RefuseField("stream_options", "stream_options is only for stream: true");
    read.include_usage = BodyFields(*options, "stream_options.").Bool("include_usage", false);
  }
  return read;
}

SamplingOptions ReadSampling(const BodyFields& fields, double default_temperature) {
  RefuseUnsupported(fields);
  SamplingOptions sampling;
  sampling.temperature = static_cast<float>(fields.Number("temperature", default_temperature, 0, 100));
  sampling.top_p = static_cast<float>(fields.Number("top_p", 1, 0, 1));
  // As other servers have it: next to nothing of the probability is the most probable token.
  if (sampling.top_p <= 0) sampling.top_p = std::numeric_limits<float>::min();
  const int64_t top_k = fields.Int("top_k", 0, -1, std::numeric_limits<int>::max());
  sampling.top_k = static_cast<int>(std::max<int64_t>(top_k, 0));
  sampling.min_p = static_cast<float>(fields.Number("min_p", 0, 0, 1));
  sampling.repetition_penalty = static_cast<float>(fields.Number("repetition_penalty", 1, 0.01, 100));
  constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
  sampling.seed = fields.Has("seed") ? static_cast<uint64_t>(fields.Int("seed", 0, -kAny - 1, kAny)) : NewSeed();
  return sampling;
}

EngineRequest ReadGeneration(const BodyFields& fields, const NamedModel& named, const ServedModel& model) {
  EngineRequest request;
  request.adapted = named.adapted;
  request.sampling = ReadSampling(fields, 1);
  request.stop_strings = fields.Texts("stop", kMostStops);
  std::erase(request.stop_strings, "");
  if (!fields.Bool("ignore_eos", false)) request.stop_tokens = StopTokens(model.engine->tokenizer());
  return request;
}

int64_t ReadN(const BodyFields& fields) {
  const int64_t n = fields.Int("n", 1, 1, kMostN);
  if (fields.Int("best_of", n, 1, kMostN) != n) {
    RefuseField("best_of", "best_of is not supported: leave it out, or give the value of n");
  }
  return n;
}

nlohmann::json UsageJson(int64_t prompt_tokens, int64_t completion_tokens, int64_t cached_tokens) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", cached_tokens}}}};
}

std::string ChunkEvent(nlohmann::json head, nlohmann::json choices, nlohmann::json usage, const StreamFields& stream) {
  head["choices"] = std::move(choices);
  if (stream.include_usage) head["usage"] = std::move(usage);
  return SseData(head);
}

std::string LastEvents(const nlohmann::json& head, nlohmann::json usage, const StreamFields& stream) {
  if (!stream.include_usage) return std::string(kSseDone);
  return ChunkEvent(head, nlohmann::json::array(), std::move(usage), stream) + std::string(kSseDone);
}

std::string NewId(std::string_view prefix) {
  static const uint32_t process = std::random_device{}();
  static std::atomic<uint64_t> number{0};
  return fmt::format("{}-{:08x}{:08x}", prefix, process, ++number);
}

int64_t UnixSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace retro
