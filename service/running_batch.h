// The requests that go through the decoder together, and the steps that they take. One thread at a time, which is the
// engine's.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "service/engine_task.h"
#include "service/prefix_cache.h"

namespace retro {

class RunningBatch {
 public:
  using Task = std::shared_ptr<EngineTask>;

  // `start_retrieval` is called for a task that waits for the neighbours of its chunk_ends from then on. All must
  // outlive the batch.
  RunningBatch(const Decoder& decoder, const EngineLimits& limits, size_t num_threads,
               std::function<void(Task)> start_retrieval);

  bool HasRoomFor(const EngineTask& task) const;
  // Takes memory for it; where there is none, the task ends with an error. REQUIRES: HasRoomFor(*task)
  void Add(Task task);
  // Goes on with a task that waited for neighbours, or ends it with `error`. Nothing when it has left the batch.
  void GiveNeighbours(const Task& task, std::span<const ChunkNeighbours> neighbours, std::exception_ptr error);
  void DropCancelled();

  // Whether a request waits for nothing but the next step.
  bool CanStep() const;
  // One pass of the decoder: the last token of every request that decodes, and at most prefill_slice prompt tokens of
  // those that do not yet, in the order in which they came. Requests that end leave the batch.
  void Step();
  // Tells requests what has happened to them since the last call. Apart from Step, for whoever is told to find the
  // statistics up to date.
  void TellNews();

  // Every request ends, as cancelled.
  void EndAll();

  // Sets what EngineStats says of the batch and adds up the rest since the batch was made.
  void FillStats(EngineStats& stats) const;

 private:
  // The part of a step that is one task's.
  struct Share {
    Task task;
    std::span<const TokenId> tokens;
    int64_t first;  // place of the first one in the sequence
    LogitsFor logits;
    std::exception_ptr error = {};
  };

  void PlanStep();
  void PlanPrefill(const Task& task, int64_t most);
  void CopyPrefix(EngineTask& task);
  bool Forward();
  void ReadLogits();
  // Of token `index` of a share, whose logits are `row`.
  void ReadRow(Share& share, int64_t index, std::span<const float> row) const;
  void Advance(Share& share);
  void TakeChosen(const Task& task);

  void Fail(const Task& task, std::exception_ptr error);
  // Gives the task's sequence to the prefix cache, or back to the cache; RemoveReleased then takes the task out.
  void Release(EngineTask& task);
  void RemoveReleased();

  const Decoder& decoder_;
  const EngineLimits& limits_;
  std::function<void(Task)> start_retrieval_;
  ThreadPool pool_;
  std::unique_ptr<KvCache> cache_;
  PrefixCache prefixes_;
  std::vector<Task> tasks_;  // in the order in which they came
  std::vector<Task> news_;   // whose events are to be told
  int64_t taken_tokens_ = 0;
  std::vector<Share> shares_;  // of the step
  std::vector<float> logits_;
  uint64_t prompt_tokens_ = 0, cached_prompt_tokens_ = 0, generation_tokens_ = 0, prefix_hits_ = 0;
};

}  // namespace retro
