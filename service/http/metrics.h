// What is counted and timed, in Prometheus' text format; names as vLLM has them, under retro_.
#pragma once

#include <memory>
#include <string>

#include "service/engine.h"

namespace retro {

// Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  void RequestEnded(const std::string& route, int status, double seconds);
  void Cancelled();  // the client was gone
  void Rejected(int status);
  // One sequence of the engine's: from Submit on.
  void FirstToken(double seconds);
  void SequenceFinished(FinishReason reason, double seconds, int64_t prompt_tokens, int64_t generated_tokens);
  void Retrieved(double seconds);  // embedding of the query and fetching included
  void Embedded(double seconds);   // one batch of /v1/embeddings

  // Everything, with what the engine counts by itself.
  std::string Text(const EngineStats& engine, int requests);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace retro
