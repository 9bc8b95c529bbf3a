// Training of sentencepiece models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace retro {

class DocumentReader;

struct SentencePieceTraining {
  enum class Model { kUnigram, kBpe } model = Model::kUnigram;
  size_t vocab_size = 32000;  // fewer when the text does not hold as many (see the library's soft limit)
  // The share of the text's characters that get pieces of their own; 1 for small alphabets, less for Chinese or
  // Japanese.
  double character_coverage = 0.9995;
  bool byte_fallback = true;  // other characters become bytes, so that nothing is unknown
  // Keep the text as it is: no Unicode normalization (NFKC), no joining of spaces. Needed for a lossless round trip.
  bool lossless = true;
  size_t max_line_bytes = 16384;  // longer lines are cut: training time grows with them
  // Train on at most so many lines, taken evenly from the text; 0 takes all. Memory is about 10 times the text taken.
  uint64_t max_lines = 0;
  uint64_t seed = 0;  // of the lines taken
  size_t num_threads = 1;
  std::vector<std::string> control_tokens = {};  // never made from text, e.g. "<|user|>"
};

// Trains on what `next_text` fills in until it returns false, and writes the model to `out` whole or not at all. The
// same text, options and number of threads give the same model. Throws Error(kInvalidArgument) when the text is too
// little for the options, and what next_text throws. Not from two threads at once.
void TrainSentencePiece(const std::function<bool(std::string&)>& next_text, const SentencePieceTraining& options,
                        const std::filesystem::path& out);

// The same over the texts of documents.
void TrainSentencePiece(DocumentReader& documents, const SentencePieceTraining& options,
                        const std::filesystem::path& out);

}  // namespace retro
