#include "model/model_files.h"

#include <fstream>

#include "tests/model/gguf_builder.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

const std::filesystem::path kGoldenModels = std::filesystem::path(RETRO_SOURCE_DIR) / "tests/golden";
const std::filesystem::path kSmolLm = std::filesystem::path(RETRO_DEPS_DIR) / "models/SmolLM2-135M-Instruct";

// Takes every weight that the names promise, by its shape.
void ExpectAllWeights(const DecoderSource& source) {
  const DecoderConfig& config = source.config;
  const auto take = [&source](const std::string& name, std::vector<int64_t> shape) {
    if (name.empty()) return;
    if (source.transposed_linear && shape.size() == 2 && name.find(".h.") != std::string::npos) {
      std::swap(shape[0], shape[1]);
    }
    EXPECT_NO_THROW(source.tensors->Get(name, shape)) << name;
  };
  const int64_t hidden = config.hidden_dim;
  const int64_t q = config.num_heads * config.head_dim;
  const int64_t kv = config.num_kv_heads * config.head_dim;
  take(source.names.token_embedding, {config.vocab_size, hidden});
  take(source.names.position_embedding, {config.context_len, hidden});
  take(source.names.final_norm, {hidden});
  take(source.names.final_norm_bias, {hidden});
  take(source.names.output, {config.vocab_size, hidden});
  EXPECT_EQ(source.names.layers.size(), static_cast<size_t>(config.num_layers));
  for (const DecoderLayerNames& layer : source.names.layers) {
    take(layer.attention_norm, {hidden});
    take(layer.attention_norm_bias, {hidden});
    take(layer.qkv, {q + 2 * kv, hidden});
    take(layer.qkv_bias, {q + 2 * kv});
    take(layer.q, {q, hidden});
    take(layer.k, {kv, hidden});
    take(layer.v, {kv, hidden});
    take(layer.attention_out, {hidden, q});
    take(layer.attention_out_bias, {hidden});
    take(layer.ffn_norm, {hidden});
    take(layer.ffn_norm_bias, {hidden});
    take(layer.ffn_gate, {config.ffn_dim, hidden});
    take(layer.ffn_up, {config.ffn_dim, hidden});
    take(layer.ffn_up_bias, {config.ffn_dim});
    take(layer.ffn_down, {hidden, config.ffn_dim});
    take(layer.ffn_down_bias, {hidden});
  }
}

TEST(ModelFiles, AGpt2FolderHasTransposedFusedWeights) {
  const DecoderSource source = OpenDecoder(kGoldenModels / "gpt2");
  EXPECT_TRUE(source.transposed_linear);
  EXPECT_EQ(source.rope_style, RopeStyle::kHalfSplit);
  EXPECT_FALSE(source.names.layers[0].qkv.empty());
  EXPECT_TRUE(source.names.layers[0].q.empty());
  ExpectAllWeights(source);
}

TEST(ModelFiles, ALlamaFolderHasAllItsWeights) {
  const DecoderSource source = OpenDecoder(kGoldenModels / "llama/gqa");
  EXPECT_FALSE(source.transposed_linear);
  EXPECT_EQ(source.names.output, "lm_head.weight");
  EXPECT_TRUE(source.names.layers[0].q_bias.empty());
  ExpectAllWeights(source);
}

TEST(ModelFiles, TheFolderOfOneGgufFileOpensIt) {
  const DecoderSource source = OpenDecoder(kSmolLm);
  EXPECT_EQ(source.path.extension(), ".gguf");
  EXPECT_EQ(source.rope_style, RopeStyle::kInterleaved);
  EXPECT_EQ(source.config.num_layers, 30);
  EXPECT_EQ(source.config.num_kv_heads, 3);
  EXPECT_EQ(source.config.vocab_size, 49152);
  EXPECT_FLOAT_EQ(source.config.rope_base, 100000);
  EXPECT_TRUE(source.names.output.empty());
  ExpectAllWeights(source);
}

TEST(ModelFiles, APathThatIsNoModelIsRefused) {
  const TempDir dir;
  EXPECT_ERROR(OpenDecoder(dir / "absent"), ErrorCode::kNotFound, "absent");
  EXPECT_ERROR(OpenDecoder(dir.path()), ErrorCode::kNotFound, "config.json");
  EXPECT_ERROR(OpenTensors(dir.path()), ErrorCode::kNotFound, "neither model.safetensors nor");
  std::ofstream(dir / "pytorch_model.bin") << "x";
  EXPECT_ERROR(OpenTensors(dir.path()), ErrorCode::kNotFound, "pickle");
  EXPECT_ERROR(OpenDecoder(dir / "pytorch_model.bin"), ErrorCode::kInvalidArgument, "pytorch_model.bin");
  std::ofstream(dir / "a.gguf") << "x";
  EXPECT_ERROR(OpenDecoder(dir.path()), ErrorCode::kCorruption, "a.gguf");
  std::ofstream(dir / "b.gguf") << "x";
  EXPECT_ERROR(OpenDecoder(dir.path()), ErrorCode::kInvalidArgument, "holds 2 .gguf files");
}

TEST(ModelFiles, RopeFactorsOfAGgufFileAreNamed) {
  const TempDir dir;
  GgufBuilder builder;
  builder.Text("general.architecture", "llama").Integer("llama.block_count", 1).Integer("llama.context_length", 64);
  builder.Integer("llama.embedding_length", 8).Integer("llama.feed_forward_length", 12);
  builder.Integer("llama.attention.head_count", 2).Float("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  builder.Ones("token_embd.weight", {8, 4}).Ones("rope_freqs.weight", {2});
  std::ofstream(dir / "m.gguf", std::ios::binary) << builder.Build();
  EXPECT_EQ(OpenDecoder(dir / "m.gguf").names.rope_frequency_factors, "rope_freqs.weight");
}

}  // namespace
}  // namespace retro
