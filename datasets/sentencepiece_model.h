// The fields of a sentencepiece .model file (a protocol buffer, sentencepiece_model.proto), of which the library shows
// only some.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace retro {

struct SentencePieceModel {
  enum class Kind { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  enum class PieceKind { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    PieceKind kind = PieceKind::kNormal;
  };

  std::vector<Piece> pieces;  // by id
  Kind kind = Kind::kUnigram;
  bool byte_fallback = false;
  bool space_as_suffix = false;  // "the▁" in place of "▁the"
  // Normalization.
  std::string precompiled_map;  // of characters, as the library compiled it; empty: none
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// Throws Error(kNotFound, kIo), and Error(kCorruption) when the bytes are no such message.
SentencePieceModel ReadSentencePieceModel(const std::filesystem::path& path);

}  // namespace retro
