#include "model/text_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/golden.h"

namespace retro {
namespace {

std::vector<float> EmbedAll(const TextEncoder& encoder, const Sequences& sequences, ThreadPool& pool) {
  std::vector<float> embeddings(sequences.size() * encoder.dim());
  encoder.Embed(Spans(sequences), embeddings, pool);
  return embeddings;
}

TEST(TextEncoder, TinyBertHasTheMeansOfTheReference) {
  ThreadPool pool(2);
  const auto folder = GoldenFolder("bert");
  const auto encoder = LoadTextEncoder(folder);
  EXPECT_EQ(encoder->dim(), 24);
  EXPECT_EQ(encoder->max_len(), 40);
  EXPECT_EQ(encoder->vocab_size(), 61);
  // Not normalized: this model's modules.json has no such module.
  ExpectNear(EmbedAll(*encoder, ReadSequences(folder / "tokens.json"), pool), ReadFloats(folder / "embeddings.f32"),
             1e-4f);
}

TEST(TextEncoder, MiniLmAgreesWithSentenceTransformers) {
  ThreadPool pool(2);
  const auto encoder = LoadTextEncoder(std::filesystem::path(RETRO_DEPS_DIR) / "models/all-MiniLM-L6-v2");
  const auto folder = GoldenFolder("minilm");
  EXPECT_EQ(encoder->max_len(), 256);
  const auto actual = EmbedAll(*encoder, ReadSequences(folder / "tokens.json"), pool);
  const auto expected = ReadFloats(folder / "embeddings.f32");
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t at = 0; at < actual.size(); at += 384) {
    double dot = 0, squares = 0;
    for (size_t i = at; i < at + 384; ++i) {
      dot += static_cast<double>(actual[i]) * expected[i];
      squares += static_cast<double>(actual[i]) * actual[i];
    }
    EXPECT_GE(dot, 0.99999) << "text " << at / 384;
    EXPECT_NEAR(squares, 1, 1e-5) << "text " << at / 384;
  }
}

// Enough rows for several batches inside.
TEST(TextEncoder, WhatRunsBesideASequenceDoesNotMatter) {
  ThreadPool pool(2);
  const auto folder = GoldenFolder("bert");
  const auto encoder = LoadTextEncoder(folder);
  const auto few = ReadSequences(folder / "tokens.json");
  Sequences many;
  for (int i = 0; i < 20; ++i) many.insert(many.end(), few.rbegin(), few.rend());
  const auto together = EmbedAll(*encoder, many, pool);
  for (size_t i = 0; i < many.size(); ++i) {
    ExpectNear(std::span(together).subspan(i * 24, 24), EmbedAll(*encoder, {many[i]}, pool), 1e-5f);
  }
}

// Of two rows of one embedding each.
double Cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, a_squares = 0, b_squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    a_squares += static_cast<double>(a[i]) * a[i];
    b_squares += static_cast<double>(b[i]) * b[i];
  }
  return dot / std::sqrt(a_squares * b_squares);
}

// Long and short texts of several languages, code, and each single token of a sample of the vocabulary.
TEST(Int8TextEncoder, IsNearToFp32) {
  ThreadPool pool(2);
  const auto model = std::filesystem::path(RETRO_DEPS_DIR) / "models/all-MiniLM-L6-v2";
  const auto fp32 = LoadTextEncoder(model), int8 = LoadTextEncoder(model, EncoderPrecision::kInt8);
  EXPECT_EQ(int8->precision(), EncoderPrecision::kInt8);
  EXPECT_EQ(int8->fingerprint(), fp32->fingerprint());
  Sequences sequences = ReadSequences(GoldenFolder("minilm") / "tokens.json");
  sequences.push_back({101});
  for (TokenId token = 999; token < 30522; token += 777) sequences.push_back({101, token, 102});
  const auto expected = EmbedAll(*fp32, sequences, pool), actual = EmbedAll(*int8, sequences, pool);
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto row = [&](const std::vector<float>& of) { return std::span(of).subspan(i * 384, 384); };
    EXPECT_GE(Cosine(row(actual), row(expected)), 0.99) << "text " << i << " of " << sequences[i].size() << " tokens";
    EXPECT_NEAR(Cosine(row(actual), row(actual)), 1, 1e-5);
  }
  EXPECT_NE(expected, actual);
}

TEST(Int8TextEncoder, WhatRunsBesideASequenceChangesNoBitOfIt) {
  ThreadPool pool(2), one(1);
  const auto folder = GoldenFolder("bert");
  const auto encoder = LoadTextEncoder(folder, EncoderPrecision::kInt8);
  const auto few = ReadSequences(folder / "tokens.json");
  Sequences many;
  for (int i = 0; i < 20; ++i) many.insert(many.end(), few.rbegin(), few.rend());
  const auto together = EmbedAll(*encoder, many, pool);
  for (size_t i = 0; i < many.size(); ++i) {
    const auto alone = EmbedAll(*encoder, {many[i]}, one);
    EXPECT_TRUE(std::ranges::equal(alone, std::span(together).subspan(i * 24, 24))) << i;
  }
}

TEST(Int8TextEncoder, PrecisionsHaveNames) {
  EXPECT_EQ(ParseEncoderPrecision("int8"), EncoderPrecision::kInt8);
  EXPECT_EQ(ParseEncoderPrecision("fp32"), EncoderPrecision::kFp32);
  EXPECT_ERROR(ParseEncoderPrecision("int4"), ErrorCode::kInvalidArgument, "'int4'");
}

TEST(TextEncoder, BadSequencesAreNamed) {
  ThreadPool pool(1);
  const auto encoder = LoadTextEncoder(GoldenFolder("bert"));
  EXPECT_ERROR(EmbedAll(*encoder, {{1, 2}, {}}, pool), ErrorCode::kInvalidArgument, "sequence 1 has 0 tokens");
  EXPECT_ERROR(EmbedAll(*encoder, {std::vector<TokenId>(41)}, pool), ErrorCode::kInvalidArgument, "41 tokens");
  EXPECT_ERROR(EmbedAll(*encoder, {{5, 61}}, pool), ErrorCode::kInvalidArgument, "token 61");
  EXPECT_ERROR(EmbedAll(*encoder, {{-1}}, pool), ErrorCode::kInvalidArgument, "token -1");
  EXPECT_TRUE(EmbedAll(*encoder, {}, pool).empty());
}

TEST(TextEncoder, FingerprintsTellEncodersApart) {
  const auto tiny = LoadTextEncoder(GoldenFolder("bert"))->fingerprint();
  EXPECT_EQ(tiny, LoadTextEncoder(GoldenFolder("bert"))->fingerprint());
  EXPECT_NE(tiny, LoadTextEncoder(std::filesystem::path(RETRO_DEPS_DIR) / "models/all-MiniLM-L6-v2")->fingerprint());
}

}  // namespace
}  // namespace retro
