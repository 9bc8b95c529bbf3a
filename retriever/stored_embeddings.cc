#include "retriever/stored_embeddings.h"

#include "retriever/half_embeddings.h"
#include "retriever/int8_embeddings.h"

namespace retro {

const char* EmbeddingsFolderName(EmbeddingPrecision precision) {
  return precision == EmbeddingPrecision::kHalf ? "embeddings" : "embeddings8";
}

std::unique_ptr<const StoredEmbeddings> OpenEmbeddings(const std::filesystem::path& folder, int64_t dim,
                                                       EmbeddingPrecision precision) {
  if (precision == EmbeddingPrecision::kHalf) return std::make_unique<HalfEmbeddings>(folder, dim);
  return std::make_unique<Int8Embeddings>(folder, dim);
}

}  // namespace retro
