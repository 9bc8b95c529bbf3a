#include "service/running_batch.h"

#include <algorithm>
#include <utility>

namespace retro {
namespace {

// Shorter prefixes are computed sooner than found.
constexpr int64_t kMinPrefix = 16;

using Stage = EngineTask::Stage;

}  // namespace

RunningBatch::RunningBatch(const Decoder& decoder, const EngineLimits& limits, size_t num_threads,
                           std::function<void(Task)> start_retrieval)
    : decoder_(decoder),
      limits_(limits),
      start_retrieval_(std::move(start_retrieval)),
      pool_(num_threads),
      cache_(decoder.NewCache(0, decoder.config().context_len)),
      prefixes_(*cache_, limits.prefix_cache_tokens) {}

bool RunningBatch::HasRoomFor(const EngineTask& task) const {
  return std::ssize(tasks_) < limits_.max_sequences && taken_tokens_ + task.max_tokens() <= limits_.cache_tokens;
}

void RunningBatch::Add(Task task) {
  try {
    task->slot = cache_->Add(task->max_tokens());
  } catch (...) {
    return Fail(task, std::current_exception());
  }
  taken_tokens_ += task->max_tokens();
  prompt_tokens_ += task->sequence.prompt_tokens();
  tasks_.push_back(task);
  if (task->stage == Stage::kRetrieving) start_retrieval_(std::move(task));
}

void RunningBatch::GiveNeighbours(const Task& task, std::span<const ChunkNeighbours> neighbours,
                                  std::exception_ptr error) {
  if (task->slot < 0) return;
  try {
    if (error) std::rethrow_exception(error);
    for (size_t i = 0; i < neighbours.size(); ++i) {
      decoder_.SetNeighbours(*cache_, task->slot, task->chunk_ends[i], neighbours[i]);
    }
    task->stage = cache_->length(task->slot) < task->prefill_tokens() ? Stage::kPrefilling : Stage::kDecoding;
  } catch (...) {
    Fail(task, std::current_exception());
    RemoveReleased();
  }
}

void RunningBatch::DropCancelled() {
  for (const Task& task : tasks_) {
    if (task->cancelled()) Release(*task);
  }
  RemoveReleased();
}

bool RunningBatch::CanStep() const {
  return std::ranges::any_of(tasks_, [](const Task& task) { return task->stage != Stage::kRetrieving; });
}

void RunningBatch::Step() {
  PlanStep();
  if (Forward()) {
    ReadLogits();
    for (Share& share : shares_) Advance(share);
  }
  shares_.clear();
  RemoveReleased();
}

void RunningBatch::PlanStep() {
  int64_t left = limits_.prefill_slice;
  for (const Task& task : tasks_) {
    if (task->stage == Stage::kDecoding) {
      const std::vector<TokenId>& context = task->sequence.context();
      shares_.push_back({task, std::span(context).last(1), std::ssize(context) - 1, LogitsFor::kLastToken});
    } else if (task->stage == Stage::kPrefilling && left > 0) {
      PlanPrefill(task, left);
      left -= std::ssize(shares_.back().tokens);
    }
  }
}

void RunningBatch::PlanPrefill(const Task& task, int64_t most) {
  if (cache_->length(task->slot) == 0) CopyPrefix(*task);
  const int64_t begin = cache_->length(task->slot), count = std::min(most, task->prefill_tokens() - begin);
  LogitsFor logits = LogitsFor::kNone;
  if (begin + count == task->sequence.prompt_tokens()) logits = LogitsFor::kLastToken;
  if (task->request.prompt_log_probs) logits = LogitsFor::kAllTokens;
  shares_.push_back({task, std::span(task->sequence.context()).subspan(begin, count), begin, logits});
}

// Neighbours shape what follows them, and prompts' log-probabilities need every token to go through the decoder.
void RunningBatch::CopyPrefix(EngineTask& task) {
  if (task.request.retrieve || task.request.prompt_log_probs) return;
  const auto prompt = std::span(task.sequence.context()).first(std::max<int64_t>(task.prefill_tokens() - 1, 0));
  PrefixCache::Match best = prefixes_.Find(prompt, task.request.adapted);
  for (const Task& other : tasks_) {
    if (other->slot < 0 || other->request.retrieve || other->request.adapted != task.request.adapted) continue;
    const auto computed = std::span(other->sequence.context()).first(cache_->length(other->slot));
    const int64_t length = CommonPrefix(computed, prompt);
    if (length > best.length) best = {other->slot, length};
  }
  if (best.length < kMinPrefix) return;
  cache_->CopyTokens(best.sequence, best.length, task.slot);
  task.event.cached_prompt_tokens = best.length;
  cached_prompt_tokens_ += best.length;
  ++prefix_hits_;
}

bool RunningBatch::Forward() {
  std::vector<SequenceInput> inputs;
  for (const Share& share : shares_) {
    // A prompt of one token, of which nothing but itself is asked.
    if (!share.tokens.empty())
      inputs.push_back({share.task->slot, share.tokens, share.logits, share.task->request.adapted});
  }
  try {
    decoder_.Forward(*cache_, inputs, LogitsFor::kNone, logits_, pool_);
    return true;
  } catch (...) {
    for (const Share& share : shares_) Fail(share.task, std::current_exception());
    return false;
  }
}

void RunningBatch::ReadLogits() {
  struct Row {
    Share* share;
    int64_t index;
  };
  std::vector<Row> rows;
  for (Share& share : shares_) {
    const auto count = std::ssize(share.tokens);
    if (share.logits == LogitsFor::kLastToken) rows.push_back({&share, count - 1});
    for (int64_t i = 0; i < count && share.logits == LogitsFor::kAllTokens; ++i) rows.push_back({&share, i});
  }
  std::vector<std::exception_ptr> errors(rows.size());
  const auto vocab_size = static_cast<size_t>(decoder_.config().vocab_size);
  pool_.ParallelFor(rows.size(), [&](size_t i) {
    try {
      ReadRow(*rows[i].share, rows[i].index, std::span(logits_).subspan(i * vocab_size, vocab_size));
    } catch (...) {
      errors[i] = std::current_exception();
    }
  });
  for (size_t i = 0; i < rows.size(); ++i) {
    if (errors[i] && !rows[i].share->error) rows[i].share->error = errors[i];
  }
}

void RunningBatch::ReadRow(Share& share, int64_t index, std::span<const float> row) const {
  EngineTask& task = *share.task;
  const int64_t next = share.first + index + 1;
  if (next < task.sequence.prompt_tokens()) {
    task.event.prompt[next] = task.Describe(row, task.sequence.context()[next]);
  } else if (task.request.max_new_tokens > 0) {
    const TokenId token = task.sequence.Choose(row);
    task.chosen = task.wants_log_probs() ? task.Describe(row, token) : TokenLogProb{.token = token};
  }
}

void RunningBatch::Advance(Share& share) {
  EngineTask& task = *share.task;
  if (share.error) return Fail(share.task, share.error);
  if (task.stage == Stage::kPrefilling) {
    if (cache_->length(task.slot) < task.prefill_tokens()) return;
    task.stage = Stage::kDecoding;
  }
  if (task.request.max_new_tokens == 0) {
    task.event.finished = true;
    news_.push_back(share.task);
    return Release(task);
  }
  try {
    TakeChosen(share.task);
  } catch (...) {
    // A token that the tokenizer does not know, say.
    Fail(share.task, std::current_exception());
  }
}

void RunningBatch::TakeChosen(const Task& task) {
  GenerationSequence::Step step = task->sequence.Take(task->chosen->token);
  EngineEvent& event = task->event;
  event.text = std::move(step.text);
  if (step.taken) {
    event.tokens.push_back(std::move(*task->chosen));
    ++generation_tokens_;
  } else {
    event.stop_token = std::move(task->chosen);
  }
  news_.push_back(task);
  if (step.finished) {
    event.finished = true;
    event.finish_reason = *step.finished;
    return Release(*task);
  }
  if (!task->request.retrieve || !task->sequence.EndsChunk(task->retrieval_step)) return;
  task->stage = Stage::kRetrieving;
  task->chunk_ends = {std::ssize(task->sequence.context())};
  start_retrieval_(task);
}

void RunningBatch::TellNews() {
  bool dropped = false;
  for (const Task& task : news_) dropped |= !task->Tell();
  news_.clear();
  if (dropped) DropCancelled();
}

void RunningBatch::EndAll() {
  for (const Task& task : tasks_) {
    task->event = {.finished = true, .finish_reason = FinishReason::kCancelled};
    task->Tell();
    Release(*task);
  }
  RemoveReleased();
}

void RunningBatch::Fail(const Task& task, std::exception_ptr error) {
  task->event = {.finished = true, .finish_reason = FinishReason::kCancelled, .error = std::move(error)};
  news_.push_back(task);
  Release(*task);
}

void RunningBatch::Release(EngineTask& task) {
  if (task.slot < 0) return;
  const int64_t length = cache_->length(task.slot);
  if (task.request.retrieve || length < kMinPrefix) {
    cache_->Remove(task.slot);
  } else {
    const std::vector<TokenId>& context = task.sequence.context();
    prefixes_.Keep(task.slot, {context.begin(), context.begin() + length}, task.request.adapted);
  }
  task.slot = -1;
  taken_tokens_ -= task.max_tokens();
}

void RunningBatch::RemoveReleased() {
  std::erase_if(tasks_, [](const Task& task) { return task->slot < 0; });
}

void RunningBatch::FillStats(EngineStats& stats) const {
  stats.running = std::ssize(tasks_);
  stats.cached_tokens = taken_tokens_;
  stats.cache_capacity = limits_.cache_tokens;
  stats.prefix_tokens = prefixes_.num_tokens();
  stats.prompt_tokens = prompt_tokens_;
  stats.cached_prompt_tokens = cached_prompt_tokens_;
  stats.generation_tokens = generation_tokens_;
  stats.prefix_hits = prefix_hits_;
}

}  // namespace retro
