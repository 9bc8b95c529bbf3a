#include "model/cpu_decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

#include "core/error.h"
#include "core/thread_pool.h"
#include "model/engine_rows.h"
#include "model/kernels/vector_ops.h"

namespace retro {
namespace {

// Rows of one pass: enough for the matrix products to run at their peak, few enough for the caches.
constexpr int64_t kMaxPassRows = 512;
// Queries that one task takes.
constexpr int64_t kQueriesPerTask = 64;

CpuKvCache& Own(KvCache& cache, const DecoderConfig& config) {
  auto* own = dynamic_cast<CpuKvCache*>(&cache);
  if (own == nullptr || !own->Fits(config)) {
    Throw(ErrorCode::kInvalidArgument, "the cache belongs to another decoder: make it with this decoder's NewCache()");
  }
  return *own;
}

void CheckSequence(const CpuKvCache& cache, int sequence) {
  if (sequence < 0 || sequence >= cache.num_sequences()) {
    Throw(ErrorCode::kInvalidArgument, "sequence {}: the cache has {}", sequence, cache.num_sequences());
  }
  if (cache.capacity_of(sequence) == 0) {
    Throw(ErrorCode::kInvalidArgument, "sequence {} was removed from the cache", sequence);
  }
}

void CheckTokens(int sequence, std::span<const TokenId> tokens, int64_t vocab_size) {
  for (const TokenId token : tokens) {
    if (token >= 0 && token < vocab_size) continue;
    Throw(ErrorCode::kInvalidArgument,
          "sequence {}: token {} is outside the vocabulary of {}: was the text encoded by another tokenizer?", sequence,
          token, vocab_size);
  }
}

std::vector<RowRange> RowsWithoutAdapter(const Pass& pass) {
  std::vector<RowRange> ranges;
  for (const PassRun& run : pass) {
    if (!run.adapted) ranges.push_back({run.row, run.row + std::ssize(run.tokens)});
  }
  return ranges;
}

}  // namespace

CpuDecoder::CpuDecoder(DecoderSource source, WeightPrecision precision, ThreadPool& pool)
    : source_(std::move(source)), weights_(LoadDecoderWeights(source_, precision, pool)) {
  if (weights_.retro) chunked_attention_.emplace(config(), *weights_.retro);
}

std::unique_ptr<KvCache> CpuDecoder::NewCache(int num_sequences, int64_t capacity) const {
  if (num_sequences < 0)
    Throw(ErrorCode::kInvalidArgument, "a cache of {} sequences: ask for 0 or more", num_sequences);
  if (capacity < 1 || capacity > config().context_len) {
    Throw(ErrorCode::kInvalidArgument, "a cache of {} tokens a sequence: the model's context is 1 to {}", capacity,
          config().context_len);
  }
  try {
    return std::make_unique<CpuKvCache>(config(), num_sequences, capacity);
  } catch (const std::bad_alloc&) {
    Throw(ErrorCode::kUnavailable, "no memory for a cache of {} sequences of {} tokens: ask for fewer or shorter ones",
          num_sequences, capacity);
  }
}

void CpuDecoder::Forward(KvCache& any_cache, std::span<const SequenceInput> inputs, LogitsFor which,
                         std::vector<float>& logits, ThreadPool& pool) const {
  CpuKvCache& cache = Own(any_cache, config());
  Check(cache, inputs);
  const std::vector<Pass> passes = SplitIntoPasses(cache, inputs, which);
  int64_t num_logit_rows = 0;
  for (const Pass& pass : passes) {
    for (const PassRun& run : pass) num_logit_rows += run.num_logits;
  }
  logits.resize(num_logit_rows * config().vocab_size);
  float* next = logits.data();
  for (const Pass& pass : passes) {
    RunLayers(cache, pass, pool);
    next += Project(cache, pass, next, pool) * config().vocab_size;
  }
  for (const SequenceInput& input : inputs) cache.Advance(input.sequence, std::ssize(input.tokens));
}

void CpuDecoder::SetNeighbours(KvCache& any_cache, int sequence, int64_t end, const ChunkNeighbours& neighbours) const {
  CheckTakesNeighbours(*this);
  CpuKvCache& cache = Own(any_cache, config());
  CheckNeighbours(cache, sequence, end, neighbours);
  cache.neighbours(sequence).Set(end, neighbours);
}

void CpuDecoder::CheckNeighbours(const CpuKvCache& cache, int sequence, int64_t end,
                                 const ChunkNeighbours& neighbours) const {
  CheckSequence(cache, sequence);
  if (end <= cache.length(sequence) || end > cache.capacity_of(sequence)) {
    Throw(ErrorCode::kInvalidArgument,
          "sequence {}: neighbours of a chunk that ends after {} tokens: it must end after the {} that went through "
          "already, and within the cache's {}",
          sequence, end, cache.length(sequence), cache.capacity_of(sequence));
  }
  for (const std::vector<TokenId>& neighbour : neighbours) {
    if (std::ssize(neighbour) > config().retro->neighbour_len) {
      Throw(ErrorCode::kInvalidArgument, "sequence {}: a neighbour of {} tokens: the model takes at most {}", sequence,
            neighbour.size(), config().retro->neighbour_len);
    }
    CheckTokens(sequence, neighbour, config().vocab_size);
  }
}

void CpuDecoder::Check(const CpuKvCache& cache, std::span<const SequenceInput> inputs) const {
  std::vector<bool> seen(cache.num_sequences());
  for (const SequenceInput& input : inputs) {
    CheckSequence(cache, input.sequence);
    if (seen[input.sequence]) {
      Throw(ErrorCode::kInvalidArgument, "sequence {} comes twice in one call: give its tokens in one input",
            input.sequence);
    }
    seen[input.sequence] = true;
    const int64_t count = std::ssize(input.tokens), length = cache.length(input.sequence);
    if (count == 0) Throw(ErrorCode::kInvalidArgument, "sequence {}: no tokens to append", input.sequence);
    if (count > cache.capacity_of(input.sequence) - length) {
      Throw(ErrorCode::kInvalidArgument,
            "sequence {}: {} tokens after {} exceed the cache's {}: shorten the input, or make the cache larger (at "
            "most the model's context of {})",
            input.sequence, count, length, cache.capacity_of(input.sequence), config().context_len);
    }
    CheckTokens(input.sequence, input.tokens, config().vocab_size);
  }
}

std::vector<Pass> CpuDecoder::SplitIntoPasses(const CpuKvCache& cache, std::span<const SequenceInput> inputs,
                                              LogitsFor which) {
  std::vector<Pass> passes;
  int64_t row = kMaxPassRows;
  for (const SequenceInput& input : inputs) {
    for (auto rest = input.tokens; !rest.empty();) {
      if (row == kMaxPassRows) {
        passes.emplace_back();
        row = 0;
      }
      const auto tokens = rest.first(std::min<size_t>(rest.size(), kMaxPassRows - row));
      const int64_t position = cache.length(input.sequence) + (std::ssize(input.tokens) - std::ssize(rest));
      rest = rest.subspan(tokens.size());
      int64_t num_logits = 0;
      if (input.logits.value_or(which) == LogitsFor::kAllTokens) num_logits = std::ssize(tokens);
      if (input.logits.value_or(which) == LogitsFor::kLastToken && rest.empty()) num_logits = 1;
      passes.back().push_back({input.sequence, position, row, tokens, num_logits, input.adapted});
      row += std::ssize(tokens);
    }
  }
  return passes;
}

void CpuDecoder::RunLayers(CpuKvCache& cache, const Pass& pass, ThreadPool& pool) const {
  const int64_t num_rows = NumRows(pass);
  const int64_t attended_dim = config().num_heads * config().head_dim;
  auto& scratch = cache.scratch();
  Reserve(scratch.hidden, num_rows * config().hidden_dim);
  Reserve(scratch.normed, num_rows * config().hidden_dim);
  Reserve(scratch.qkv, num_rows * qkv_dim());
  Reserve(scratch.attended, num_rows * attended_dim);
  Reserve(scratch.ffn, num_rows * config().ffn_dim);
  Embed(cache, pass);
  SetAngles(cache, pass);
  const std::vector<RowRange> plain = RowsWithoutAdapter(pass);
  const Activation activation = FfnActivation(config().ffn);
  for (int64_t i = 0; i < config().num_layers; ++i) {
    const TransformerLayerWeights& layer = weights_.layers[i];
    NormalizeRows(config(), layer.attention_norm, scratch.hidden.data(), num_rows, scratch.normed.data(), pool);
    layer.qkv.Apply(scratch.normed.data(), num_rows, scratch.qkv.data(), Activation::kNone, pool, plain);
    Attend(cache, pass, i, pool);
    layer.attention_out.AddTo(scratch.attended.data(), num_rows, scratch.hidden.data(), pool, plain);
    if (chunked_attention_) chunked_attention_->RunLayer(cache, pass, i, pool);
    NormalizeRows(config(), layer.ffn_norm, scratch.hidden.data(), num_rows, scratch.normed.data(), pool);
    layer.ffn_in.Apply(scratch.normed.data(), num_rows, scratch.ffn.data(), activation, pool, plain);
    layer.ffn_out.AddTo(scratch.ffn.data(), num_rows, scratch.hidden.data(), pool, plain);
  }
}

void CpuDecoder::Embed(CpuKvCache& cache, const Pass& pass) const {
  const int64_t dim = config().hidden_dim;
  for (const PassRun& run : pass) {
    float* row = cache.scratch().hidden.data() + run.row * dim;
    const float* position = weights_.position_embedding.data() + run.position * dim;
    for (const TokenId token : run.tokens) {
      DequantizeTo(weights_.token_embedding, token * dim, {row, static_cast<size_t>(dim)});
      if (!weights_.position_embedding.empty()) {
        for (int64_t i = 0; i < dim; ++i) row[i] += position[i];
        position += dim;
      }
      row += dim;
    }
  }
}

void CpuDecoder::SetAngles(CpuKvCache& cache, const Pass& pass) const {
  const auto& frequencies = weights_.rope_frequencies;
  auto& scratch = cache.scratch();
  const int64_t num_rows = NumRows(pass);
  Reserve(scratch.cosines, num_rows * std::ssize(frequencies));
  Reserve(scratch.sines, num_rows * std::ssize(frequencies));
  size_t at = 0;
  for (const PassRun& run : pass) {
    for (int64_t i = 0; i < std::ssize(run.tokens); ++i) {
      for (const float frequency : frequencies) {
        const float angle = static_cast<float>(run.position + i) * frequency;
        scratch.cosines[at] = std::cos(angle);
        scratch.sines[at++] = std::sin(angle);
      }
    }
  }
}

void CpuDecoder::Attend(CpuKvCache& cache, const Pass& pass, int64_t layer, ThreadPool& pool) const {
  struct Task {
    const PassRun* run;
    int64_t kv_head, begin, end;  // queries of the run
  };
  thread_local std::vector<Task> tasks;
  tasks.clear();
  for (const PassRun& run : pass) {
    const int64_t count = std::ssize(run.tokens);
    ForRows(count, pool, [&](int64_t begin, int64_t end) { StoreKeysAndValues(cache, run, begin, end, layer); });
    // The last queries of a sequence see the most keys: they start first, so that no thread is left alone with them.
    for (int64_t end = count; end > 0; end -= std::min(end, kQueriesPerTask)) {
      for (int64_t head = 0; head < config().num_kv_heads; ++head) {
        tasks.push_back({&run, head, std::max<int64_t>(0, end - kQueriesPerTask), end});
      }
    }
  }
  const std::vector<Task>& all = tasks;
  pool.ParallelFor(all.size(),
                   [&](size_t i) { AttendBlock(cache, *all[i].run, layer, all[i].kv_head, all[i].begin, all[i].end); });
}

void CpuDecoder::StoreKeysAndValues(CpuKvCache& cache, const PassRun& run, int64_t begin, int64_t end,
                                    int64_t layer) const {
  const int64_t head_dim = config().head_dim, num_kv_heads = config().num_kv_heads;
  const int64_t num_turned = config().num_heads + num_kv_heads;
  const auto pairing =
      source_.rope_style == RopeStyle::kInterleaved ? RotaryPairing::kNeighbours : RotaryPairing::kHalves;
  auto& scratch = cache.scratch();
  for (int64_t i = begin; i < end; ++i) {
    float* row = scratch.qkv.data() + (run.row + i) * qkv_dim();
    if (config().position == PositionKind::kRotary) {
      const int64_t angle = (run.row + i) * (head_dim / 2);
      ApplyRotary(row, num_turned, head_dim, &scratch.cosines[angle], &scratch.sines[angle], pairing);
    }
    const float* key = row + config().num_heads * head_dim;
    const float* value = key + num_kv_heads * head_dim;
    for (int64_t head = 0; head < num_kv_heads; ++head) {
      const int64_t position = run.position + i;
      StoreKey(key + head * head_dim, head_dim, position, cache.Keys(run.sequence, layer, head));
      std::copy_n(value + head * head_dim, head_dim, cache.Values(run.sequence, layer, head) + position * head_dim);
    }
  }
}

void CpuDecoder::AttendBlock(CpuKvCache& cache, const PassRun& run, int64_t layer, int64_t kv_head, int64_t begin,
                             int64_t end) const {
  const int64_t head_dim = config().head_dim, group = config().num_heads / config().num_kv_heads;
  const int64_t row = run.row + begin, first_head = kv_head * group * head_dim;
  auto& scratch = cache.scratch();
  AttentionArgs args;
  args.queries = scratch.qkv.data() + row * qkv_dim() + first_head;
  args.query_stride = qkv_dim();
  args.num_queries = end - begin;
  args.num_heads = group;
  args.head_dim = head_dim;
  args.keys = cache.Keys(run.sequence, layer, kv_head);
  args.values = cache.Values(run.sequence, layer, kv_head);
  args.packed_keys = true;
  args.value_stride = head_dim;
  args.num_keys = run.position + end;
  args.causal = true;
  args.scale = 1 / std::sqrt(static_cast<float>(head_dim));
  args.out_stride = config().num_heads * head_dim;
  args.out = scratch.attended.data() + row * args.out_stride + first_head;
  Attention(args);
}

int64_t CpuDecoder::Project(CpuKvCache& cache, const Pass& pass, float* logits, ThreadPool& pool) const {
  auto& scratch = cache.scratch();
  const int64_t dim = config().hidden_dim;
  int64_t num_wanted = 0;
  for (const PassRun& run : pass) {
    const int64_t first = run.row + std::ssize(run.tokens) - run.num_logits;
    // Rows only move towards the front, so what is wanted is packed in place.
    std::memmove(scratch.hidden.data() + num_wanted * dim, scratch.hidden.data() + first * dim,
                 run.num_logits * dim * sizeof(float));
    num_wanted += run.num_logits;
  }
  if (num_wanted == 0) return 0;
  NormalizeRows(config(), weights_.final_norm, scratch.hidden.data(), num_wanted, scratch.normed.data(), pool);
  weights_.output.Apply(scratch.normed.data(), num_wanted, logits, Activation::kNone, pool);
  return num_wanted;
}

}  // namespace retro
