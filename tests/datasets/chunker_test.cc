#include "datasets/chunker.h"

#include <gtest/gtest.h>

namespace retro {
namespace {

TEST(Chunker, LastChunkOfADocumentMayBeShort) {
  EXPECT_EQ(NumChunks(130, 64), 3u);
  EXPECT_EQ(ChunkAt(130, 64, 0).length, 64u);
  EXPECT_EQ(ChunkAt(130, 64, 2).begin, 128u);
  EXPECT_EQ(ChunkAt(130, 64, 2).length, 2u);
}

TEST(Chunker, ADocumentOfWholeChunksHasNoShortOne) {
  EXPECT_EQ(NumChunks(128, 64), 2u);
  EXPECT_EQ(ChunkAt(128, 64, 1).length, 64u);
}

TEST(Chunker, AnEmptyDocumentHasNoChunk) { EXPECT_EQ(NumChunks(0, 64), 0u); }

TEST(Chunker, ChunksCoverEveryTokenOnce) {
  for (uint64_t tokens = 1; tokens < 200; ++tokens) {
    uint64_t next = 0;
    for (uint64_t i = 0; i < NumChunks(tokens, 7); ++i) {
      const ChunkSpan span = ChunkAt(tokens, 7, i);
      EXPECT_EQ(span.begin, next);
      EXPECT_GE(span.length, 1u);
      next += span.length;
    }
    EXPECT_EQ(next, tokens);
  }
}

}  // namespace
}  // namespace retro
