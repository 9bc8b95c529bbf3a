#include "model/text_encoder.h"

#include "core/error.h"
#include "core/thread_pool.h"
#include "model/bert_encoder.h"

namespace retro {

const char* EncoderPrecisionName(EncoderPrecision precision) {
  return precision == EncoderPrecision::kInt8 ? "int8" : "fp32";
}

EncoderPrecision ParseEncoderPrecision(std::string_view name) {
  for (const auto precision : {EncoderPrecision::kFp32, EncoderPrecision::kInt8}) {
    if (name == EncoderPrecisionName(precision)) return precision;
  }
  Throw(ErrorCode::kInvalidArgument, "precision '{}' of the encoder: must be fp32 or int8", name);
}

std::unique_ptr<TextEncoder> LoadTextEncoder(const std::filesystem::path& folder, EncoderPrecision precision) {
  ThreadPool pool;
  return std::make_unique<BertEncoder>(OpenBert(folder), precision, pool);
}

}  // namespace retro
