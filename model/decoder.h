// A decoder-only language model on the processor, for scoring and generation: token ids in, logits out.
// Weights stay in the precision of their file (8 or 4 bits included); a step of a few tokens runs at the speed at which
// memory gives them. Training and other devices: model/torch/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/ids.h"
#include "model/decoder_config.h"
#include "model/retrieval.h"

namespace retro {

class ThreadPool;
class TensorSource;

// Keys and values of the tokens seen so far, of several sequences with lengths of their own, which may come and go.
// Belongs to one decoder; one thread at a time.
class KvCache {
 public:
  virtual ~KvCache() = default;
  virtual int num_sequences() const = 0;  // removed ones included
  virtual int64_t length(int sequence) const = 0;
  virtual int64_t capacity() const = 0;  // most tokens of a sequence
  // Forgets what follows the first `length` tokens of a sequence, and the neighbours of chunks that end after them.
  // REQUIRES: length <= length(sequence)
  virtual void Truncate(int sequence, int64_t length) = 0;

  // Adds an empty sequence of at most `capacity` tokens and returns its index: that of a removed one where there is
  // one, else num_sequences(). Throws Error(kInvalidArgument) on a capacity that is not from 1 to capacity(), or when
  // the cache's sequences are fixed, and Error(kUnavailable) when there is no memory.
  virtual int Add(int64_t capacity);
  // Gives back the memory of a sequence, which must not be used again.
  virtual void Remove(int sequence);
  // Makes the empty sequence `to` what `from` was when it had `length` tokens, neighbours included.
  // REQUIRES: 0 <= length <= length(from), and the capacity of `to`; to != from
  virtual void CopyTokens(int from, int64_t length, int to);
};

// For which of the appended tokens logits are wanted.
enum class LogitsFor { kLastToken, kAllTokens, kNone };

// Tokens to append to one sequence of a cache.
struct SequenceInput {
  int sequence = 0;
  std::span<const TokenId> tokens;
  std::optional<LogitsFor> logits = {};  // instead of the call's
  // False: as the decoder computes without its adapter. The same for all tokens of a sequence and of those that its
  // beginning is copied from, since keys and values depend on it.
  bool adapted = true;
};

// How weights are held that the file has in 16 or 32 bits. Quantized tensors keep their own bits.
enum class WeightPrecision { kAsStored, kInt8 };

// Immutable: const methods may be called from several threads when each has its own cache and thread pool.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual const DecoderConfig& config() const = 0;
  virtual uint64_t num_parameters() const = 0;
  virtual uint64_t weight_bytes() const = 0;  // as held in memory

  // `capacity`: most tokens of one sequence; at most config().context_len. No sequence: they are added later. Throws
  // Error(kInvalidArgument).
  virtual std::unique_ptr<KvCache> NewCache(int num_sequences, int64_t capacity) const = 0;

  // The neighbours of the chunk that ends after the first `end` tokens of a sequence: its last chunk_len tokens, or all
  // when there are fewer. They act on the chunk_len positions from end - 1 on, or until the next chunk closes for which
  // this was called; where none acts, chunked cross-attention adds nothing. To be called before token end - 1 goes
  // through Forward; again for the same chunk, it replaces what was given. Any number of neighbours (none: the chunk
  // has none) of at most neighbour_len tokens. Throws Error(kInvalidArgument) on other ones, on an `end` that is too
  // late or beyond the capacity, and on a decoder without chunked cross-attention; the cache is then unchanged.
  virtual void SetNeighbours(KvCache& cache, int sequence, int64_t end, const ChunkNeighbours& neighbours) const;

  // Appends the inputs to their sequences (each sequence at most once a call; lengths may differ, no padding is
  // computed) and sets `logits` to [rows, vocab_size]: a row for the last token of each input, or for every token,
  // inputs one after the other. A token's logits depend on the tokens and the neighbours before it alone, to the last
  // bit: not on the other inputs (some may be adapted and some not), nor on the calls that its sequence was cut into,
  // nor on the pool. Throws
  // Error(kInvalidArgument) on a token outside the vocabulary and when a sequence would exceed its capacity; the cache
  // is then unchanged.
  virtual void Forward(KvCache& cache, std::span<const SequenceInput> inputs, LogitsFor which,
                       std::vector<float>& logits, ThreadPool& pool) const = 0;
};

// Throws Error(kInvalidArgument) when the decoder has no chunked cross-attention.
void CheckTakesNeighbours(const Decoder& decoder);

// A folder in Hugging Face layout (config.json, model.safetensors or its shards) or a .gguf file.
// `adapter`: a LoRA adapter's folder in PEFT's layout, applied while it runs (model/packed_linear.h) to the sequences
// that want it; empty: none.
// Throws Error(kNotFound, kCorruption, kInvalidArgument) naming file and field.
std::unique_ptr<Decoder> LoadDecoder(const std::filesystem::path& path, ThreadPool& pool,
                                     WeightPrecision precision = WeightPrecision::kAsStored,
                                     const std::filesystem::path& adapter = {});

}  // namespace retro
