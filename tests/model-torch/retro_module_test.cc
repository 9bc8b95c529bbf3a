#include "model/torch/retro_module.h"

#include <nlohmann/json.hpp>

#include "model/safetensors.h"
#include "model/torch/retro_module_weights.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/golden.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using Lists = std::vector<std::vector<std::vector<std::vector<TokenId>>>>;  // [B][L][k][tokens]

torch::Tensor ToTensor(const std::vector<TokenId>& tokens) {
  return torch::tensor(std::vector<int64_t>(tokens.begin(), tokens.end()));
}

torch::Tensor Stacked(const Sequences& sequences) {
  std::vector<torch::Tensor> rows;
  for (const auto& sequence : sequences) rows.push_back(ToTensor(sequence));
  return torch::stack(rows);
}

// What is not there gets `filler` as its token.
NeighbourBatch Padded(const Lists& lists, int64_t neighbour_len, int64_t filler = 0) {
  const auto batch = static_cast<int64_t>(lists.size()), chunks = static_cast<int64_t>(lists[0].size());
  const auto k = static_cast<int64_t>(lists[0][0].size());
  NeighbourBatch neighbours{torch::full({batch, chunks, k, neighbour_len}, filler, torch::kInt64),
                            torch::zeros({batch, chunks, k, neighbour_len}, torch::kBool)};
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t u = 0; u < chunks; ++u) {
      for (int64_t n = 0; n < k; ++n) {
        const auto& tokens = lists[b][u][n];
        if (tokens.empty()) continue;
        neighbours.tokens[b][u][n].slice(0, 0, tokens.size()).copy_(ToTensor(tokens));
        neighbours.present[b][u][n].slice(0, 0, tokens.size()).fill_(true);
      }
    }
  }
  return neighbours;
}

std::vector<float> Values(const torch::Tensor& tensor) {
  const auto flat = tensor.detach().contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

bool Same(const torch::Tensor& a, const torch::Tensor& b) { return torch::equal(a, b); }

class RetroModuleTest : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path folder_ = GoldenFolder(std::string("retro/") + GetParam());
  DecoderSource source_ = OpenDecoder(folder_);
  RetroConfig retro_ = *source_.config.retro;
  RetroModule module_ = LoadRetroModule(source_);
  torch::Tensor tokens_ = Stacked(ReadSequences(folder_ / "tokens.json"));
  Lists lists_ = nlohmann::json::parse(ReadFile(folder_ / "neighbours.json")).get<Lists>();
  NeighbourBatch neighbours_ = Padded(lists_, retro_.neighbour_len);

  torch::Tensor Logits(const torch::Tensor& tokens, const NeighbourBatch* neighbours) {
    torch::NoGradGuard no_grad;
    return module_(tokens, neighbours);
  }
};

INSTANTIATE_TEST_SUITE_P(Families, RetroModuleTest, testing::Values("gpt2", "llama", "gpt2_shared", "llama_shared"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(RetroModuleTest, HasTheLogitsOfThePapersEquations) {
  ExpectNear(Values(Logits(tokens_, &neighbours_)), ReadFloats(folder_ / "logits.f32"), 1e-4f);
}

TEST_P(RetroModuleTest, HasTheGradientsOfThePapersEquations) {
  const auto logits = module_(tokens_, &neighbours_);
  const auto length = tokens_.size(1);
  torch::nn::functional::cross_entropy(logits.slice(1, 0, length - 1).flatten(0, 1), tokens_.slice(1, 1).flatten())
      .backward();
  std::map<std::string, torch::Tensor> gradients;
  for (const auto& [name, parameter] : RetroTensors(module_)) gradients[name] = parameter.grad();
  gradients["layers.0.ffn.down.weight"] = module_->decoder->layers[0]->ffn->down->weight.grad();
  gradients["layers.0.attention.q.weight"] = module_->decoder->layers[0]->attention->q->weight.grad();
  gradients["token_embedding.weight"] = module_->decoder->token_embedding->weight.grad();
  const SafetensorsFile expected(folder_ / "gradients.safetensors");
  ASSERT_FALSE(expected.Names().empty());
  for (const std::string& name : expected.Names()) {
    ASSERT_TRUE(gradients[name].defined()) << name;
    const auto values = Dequantize(*expected.Find(name));
    float largest = 0;
    for (const float value : values) largest = std::max(largest, std::abs(value));
    SCOPED_TRACE(name);
    ExpectNear(Values(gradients[name]), values, 1e-3f * largest);
  }
}

TEST_P(RetroModuleTest, ATokenChangesNoLogitsBeforeIt) {
  const auto before = Logits(tokens_, &neighbours_);
  for (int64_t t = 0; t < tokens_.size(1); ++t) {
    auto changed = tokens_.clone();
    changed.slice(1, t).copy_((changed.slice(1, t) + 1) % 50);
    const auto after = Logits(changed, &neighbours_);
    ExpectNear(Values(after.slice(1, 0, t)), Values(before.slice(1, 0, t)), 1e-5f);
    EXPECT_FALSE(Same(after.select(1, t), before.select(1, t))) << t;
  }
}

TEST_P(RetroModuleTest, NeighboursChangeNothingBeforeTheLastTokenOfTheirChunk) {
  const auto before = Logits(tokens_, &neighbours_);
  for (int64_t u = 0; u < static_cast<int64_t>(lists_[0].size()); ++u) {
    NeighbourBatch changed{neighbours_.tokens.clone(), torch::ones_like(neighbours_.present)};
    changed.present.copy_(neighbours_.present);
    changed.tokens.select(1, u).copy_((changed.tokens.select(1, u) + 7) % 50);
    changed.present.select(1, u).fill_(true);
    const auto after = Logits(tokens_, &changed);
    const int64_t first = (u + 1) * retro_.chunk_len - 1;
    ExpectNear(Values(after.slice(1, 0, first)), Values(before.slice(1, 0, first)), 1e-5f);
    EXPECT_GT((after - before).select(1, first).abs().max().item<float>(), 1e-3f) << "chunk " << u;
  }
}

TEST_P(RetroModuleTest, TheFirstPositionsAreFreeOfRetrieval) {
  const int64_t free = retro_.chunk_len - 1;
  ExpectNear(Values(Logits(tokens_, &neighbours_).slice(1, 0, free)),
             Values(Logits(tokens_, nullptr).slice(1, 0, free)), 1e-5f);
}

TEST_P(RetroModuleTest, WithoutNeighboursItIsTheBaseBitForBit) {
  torch::NoGradGuard no_grad;
  const auto base = LoadDecoderModule(source_)->forward(tokens_);
  EXPECT_TRUE(Same(Logits(tokens_, nullptr), base));
  // A chunk that lacks every neighbour adds exact zeros.
  const NeighbourBatch none{neighbours_.tokens, torch::zeros_like(neighbours_.present)};
  EXPECT_TRUE(Same(Logits(tokens_, &none), base));
}

TEST_P(RetroModuleTest, TheOrderOfNeighboursDoesNotMatter) {
  const NeighbourBatch turned{neighbours_.tokens.flip(2), neighbours_.present.flip(2)};
  ExpectNear(Values(Logits(tokens_, &turned)), Values(Logits(tokens_, &neighbours_)), 1e-4f);
}

TEST_P(RetroModuleTest, WhatStandsWhereNoNeighbourIsDoesNotMatter) {
  const NeighbourBatch other = Padded(lists_, retro_.neighbour_len, 41);
  EXPECT_TRUE(Same(Logits(tokens_, &other), Logits(tokens_, &neighbours_)));
}

TEST_P(RetroModuleTest, MoreNeighboursThanInTrainingAreTaken) {
  const NeighbourBatch twice{torch::cat({neighbours_.tokens, neighbours_.tokens}, 2),
                             torch::cat({neighbours_.present, neighbours_.present}, 2)};
  // The same keys twice weigh as once.
  ExpectNear(Values(Logits(tokens_, &twice)), Values(Logits(tokens_, &neighbours_)), 1e-4f);
}

TEST_P(RetroModuleTest, GradientsAgreeWithFiniteDifferences) {
  module_->to(torch::kFloat64);
  const auto loss = [&] {
    const auto logits = module_(tokens_, &neighbours_);
    return torch::nn::functional::cross_entropy(logits.flatten(0, 1), tokens_.flatten());
  };
  loss().backward();
  torch::NoGradGuard no_grad;
  for (const auto& [name, parameter] : RetroTensors(module_)) {
    auto flat = parameter.view(-1);
    const int64_t at = flat.numel() / 2;
    const double value = flat[at].item<double>(), step = 1e-5;
    flat[at] = value + step;
    const double above = loss().item<double>();
    flat[at] = value - step;
    const double below = loss().item<double>();
    flat[at] = value;
    EXPECT_NEAR(parameter.grad().view(-1)[at].item<double>(), (above - below) / (2 * step), 1e-7) << name;
  }
}

TEST_P(RetroModuleTest, RecomputedActivationsGiveTheSameGradients) {
  const auto gradient = [&](bool recompute) {
    RetroModule module = LoadRetroModule(source_);
    module->decoder->SetRecompute(recompute);
    module(tokens_, &neighbours_).square().mean().backward();
    return module->cca[0]->attention->q->weight.grad();
  };
  ExpectNear(Values(gradient(true)), Values(gradient(false)), 1e-6f);
}

TEST_P(RetroModuleTest, SavedAndLoadedItGivesTheSameLogits) {
  TempDir dir;
  SaveDecoder(dir.path(), source_.config, module_->decoder, RetroTensors(module_));
  const DecoderSource again = OpenDecoder(dir.path());
  EXPECT_EQ(*again.config.retro, retro_);
  torch::NoGradGuard no_grad;
  EXPECT_TRUE(Same(LoadRetroModule(again)->forward(tokens_, &neighbours_), Logits(tokens_, &neighbours_)));
}

RetroConfig RetrofitConfig(const DecoderConfig& config) {
  RetroConfig retro;
  retro.chunk_len = 4;
  retro.neighbour_len = 8;
  retro.cca_layers = {1};
  retro.gated = true;
  retro.encoder = {.num_layers = 2,
                   .hidden_dim = config.hidden_dim,
                   .num_heads = config.num_heads,
                   .num_kv_heads = config.num_kv_heads,
                   .head_dim = config.head_dim,
                   .ffn_dim = config.ffn_dim,
                   .cross_layers = {0},
                   .shared_embedding = true};
  return retro;
}

TEST(Retrofit, BeginsAsTheBase) {
  const DecoderSource base = OpenDecoder(GoldenFolder("llama/gqa"));
  const DecoderConfig& config = base.config;
  RetroConfig retro = RetrofitConfig(config);
  RetroModule module = RetrofitModule(base, retro);
  torch::manual_seed(1);
  const auto tokens = torch::randint(0, config.vocab_size, {2, 11});
  const NeighbourBatch neighbours{torch::randint(0, config.vocab_size, {2, 2, 2, 8}), {}};
  const auto logits = module(tokens, &neighbours);
  EXPECT_TRUE(Same(logits, LoadDecoderModule(base)->forward(tokens)));
  // The gate is closed and can open.
  logits.square().mean().backward();
  EXPECT_GT(module->cca[0]->gate.grad().abs().item<float>(), 0);
  retro.encoder.ffn_dim += 4;
  EXPECT_ERROR(RetrofitModule(base, retro), ErrorCode::kInvalidArgument, "ffn_dim");
}

// Grouped queries: k and v are narrower than q.
TEST(Retrofit, TakesItsNewWeightsFromTheBase) {
  const DecoderSource base = OpenDecoder(GoldenFolder("llama/gqa"));
  ASSERT_LT(base.config.num_kv_heads, base.config.num_heads);
  RetroConfig retro = RetrofitConfig(base.config);
  retro.encoder.shared_embedding = false;
  const RetroModule module = RetrofitModule(base, retro);
  const DecoderLayer& attending = module->decoder->layers[1];
  const RelativeAttention& cca = module->cca[0]->attention;
  EXPECT_TRUE(Same(cca->q->weight, attending->attention->q->weight));
  EXPECT_TRUE(Same(cca->k->weight, attending->attention->k->weight));
  EXPECT_TRUE(Same(cca->v->weight, attending->attention->v->weight));
  EXPECT_TRUE(Same(cca->out->weight, attending->attention->out->weight));
  EXPECT_TRUE(Same(module->cca[0]->norm->weight, attending->attention_norm->weight));
  EXPECT_TRUE(Same(module->encoder->token_embedding->weight, module->decoder->token_embedding->weight));
  for (size_t i = 0; i < 2; ++i) {
    const DecoderLayer& own = module->decoder->layers[i];
    const NeighbourEncoderLayer& layer = module->encoder->layers[i];
    EXPECT_TRUE(Same(layer->attention->v->weight, own->attention->v->weight));
    EXPECT_TRUE(Same(layer->ffn->down->weight, own->ffn->down->weight));
    EXPECT_TRUE(Same(layer->ffn_norm->weight, own->ffn_norm->weight));
  }
}

TEST(Retrofit, AtRandomItBeginsAsTheBaseTooWhateverTheEncodersWidths) {
  const DecoderSource base = OpenDecoder(GoldenFolder("llama/gqa"));
  for (const bool gated : {true, false}) {
    RetroConfig retro = RetrofitConfig(base.config);
    retro.gated = gated;
    retro.encoder.shared_embedding = false;
    retro.encoder.hidden_dim += 4;
    retro.encoder.ffn_dim += 4;
    torch::manual_seed(1);
    RetroModule module = RetrofitModule(base, retro, RetrofitInit::kRandom);
    const auto tokens = torch::randint(0, base.config.vocab_size, {2, 11});
    const NeighbourBatch neighbours{torch::randint(0, base.config.vocab_size, {2, 2, 2, 8}), {}};
    EXPECT_TRUE(Same(module(tokens, &neighbours), LoadDecoderModule(base)->forward(tokens)));
    const auto query = module->cca[0]->attention->q->weight;
    EXPECT_FALSE(Same(query, module->decoder->layers[1]->attention->q->weight));
    EXPECT_NEAR(query.std().item<float>(), 0.02, 0.005);
  }
}

TEST(LoadRetroModule, AMissingWeightIsNamed) {
  DecoderSource source = OpenDecoder(GoldenFolder("llama/gqa"));
  source.config.retro = OpenDecoder(GoldenFolder("retro/llama")).config.retro;
  source.config.retro->cca_layers = {0};
  EXPECT_ERROR(LoadRetroModule(source), ErrorCode::kCorruption, "retro.");
}

}  // namespace
}  // namespace retro
