#include "datasets/sentencepiece_model.h"

#include <cstring>
#include <string_view>

#include "core/error.h"
#include "core/file.h"

namespace retro {
namespace {

// Walks the fields of one message. https://protobuf.dev/programming-guides/encoding/
class Message {
 public:
  Message(std::string_view bytes, const std::string& file) : left_(bytes), file_(file) {}

  // Goes to the next field; false at the end.
  bool Next() {
    if (left_.empty()) return false;
    const uint64_t tag = Varint();
    field_ = tag >> 3;
    switch (tag & 7) {
      case 0:
        number_ = Varint();
        break;
      case 1:
        Take(8);
        break;
      case 2:
        bytes_ = Take(Varint());
        break;
      case 5:
        bytes_ = Take(4);
        break;
      default:
        ThrowBad();
    }
    return true;
  }

  uint64_t field() const { return field_; }
  uint64_t number() const { return number_; }  // of a varint
  bool flag() const { return number_ != 0; }
  std::string_view bytes() const { return bytes_; }  // of a string or message
  float real() const {
    if (bytes_.size() != 4) ThrowBad();
    float value;
    std::memcpy(&value, bytes_.data(), sizeof(value));
    return value;
  }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(Take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    ThrowBad();
  }

  std::string_view Take(uint64_t count) {
    if (count > left_.size()) ThrowBad();
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

  [[noreturn]] void ThrowBad() const { Throw(ErrorCode::kCorruption, "{} is not a sentencepiece model", file_); }

  std::string_view left_;
  const std::string& file_;
  uint64_t field_ = 0, number_ = 0;
  std::string_view bytes_;
};

// Numbers of the fields as in sentencepiece_model.proto.
SentencePieceModel::Piece ReadPiece(Message message) {
  SentencePieceModel::Piece piece;
  while (message.Next()) {
    if (message.field() == 1) piece.text = message.bytes();
    if (message.field() == 2) piece.score = message.real();
    if (message.field() == 3) piece.kind = static_cast<SentencePieceModel::PieceKind>(message.number());
  }
  return piece;
}

void ReadTrainerSpec(Message message, SentencePieceModel& model) {
  while (message.Next()) {
    if (message.field() == 3) model.kind = static_cast<SentencePieceModel::Kind>(message.number());
    if (message.field() == 24) model.space_as_suffix = message.flag();
    if (message.field() == 35) model.byte_fallback = message.flag();
  }
}

void ReadNormalizerSpec(Message message, SentencePieceModel& model) {
  while (message.Next()) {
    if (message.field() == 2) model.precompiled_map = message.bytes();
    if (message.field() == 3) model.add_dummy_prefix = message.flag();
    if (message.field() == 4) model.remove_extra_whitespaces = message.flag();
    if (message.field() == 5) model.escape_whitespaces = message.flag();
  }
}

}  // namespace

SentencePieceModel ReadSentencePieceModel(const std::filesystem::path& path) {
  const std::string bytes = ReadFile(path), file = path.string();
  SentencePieceModel model;
  for (Message message(bytes, file); message.Next();) {
    if (message.field() == 1) model.pieces.push_back(ReadPiece(Message(message.bytes(), file)));
    if (message.field() == 2) ReadTrainerSpec(Message(message.bytes(), file), model);
    if (message.field() == 3) ReadNormalizerSpec(Message(message.bytes(), file), model);
  }
  if (model.pieces.empty()) Throw(ErrorCode::kCorruption, "{} is not a sentencepiece model: it has no pieces", file);
  return model;
}

}  // namespace retro
