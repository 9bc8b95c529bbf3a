// The fields that all generating calls share, as OpenAI names them and with the extras of other servers.
#pragma once

#include "model/chat_template.h"
#include "service/engine.h"
#include "service/http/body_fields.h"
#include "service/http/model_info.h"
#include "service/http/server.h"

namespace retro {

struct StreamFields {
  bool stream = false;
  bool include_usage = false;
};
StreamFields ReadStreamFields(const BodyFields& fields);

// temperature (default 1), top_p, top_k, min_p, repetition_penalty, seed (default: a new one). Throws RequestError,
// also on penalties that are not supported.
SamplingOptions ReadSampling(const BodyFields& fields, double default_temperature);

// Of a prompt, with stop strings, sampling and the stop tokens of the model (none with "ignore_eos"), for the model
// that the request names.
EngineRequest ReadGeneration(const BodyFields& fields, const NamedModel& named, const ServedModel& model);

// 1 to 128.
int64_t ReadN(const BodyFields& fields);

nlohmann::json UsageJson(int64_t prompt_tokens, int64_t completion_tokens, int64_t cached_tokens);

// A piece of a streamed completion: `head` with `choices`, and with `usage` where the client asked for it.
std::string ChunkEvent(nlohmann::json head, nlohmann::json choices, nlohmann::json usage, const StreamFields& stream);
// What ends the stream: the usage where the client asked for it, and the mark.
std::string LastEvents(const nlohmann::json& head, nlohmann::json usage, const StreamFields& stream);

// "cmpl-…" and the like.
std::string NewId(std::string_view prefix);
int64_t UnixSeconds();

constexpr int64_t kMostTokens = int64_t{1} << 30;
constexpr int kMostLogProbs = 100;

}  // namespace retro
