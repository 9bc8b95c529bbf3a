#include "model/text_encoder.h"

#include "core/thread_pool.h"
#include "model/bert_encoder.h"

namespace retro {

std::unique_ptr<TextEncoder> LoadTextEncoder(const std::filesystem::path& folder) {
  ThreadPool pool;
  return std::make_unique<BertEncoder>(OpenBert(folder), pool);
}

}  // namespace retro
