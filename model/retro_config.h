// What makes a decoder a RETRO decoder: the "retro" section of config.json.
// Borgeaud et al. 2022 (arXiv 2112.04426), sections 2.4 and 2.5; the letters in brackets are theirs.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace retro {

class JsonFields;

// The bidirectional encoder of neighbours. Norms, activation, biases and the positions of its self-attention are those
// of the decoder's family.
struct NeighbourEncoderConfig {
  int64_t num_layers = 2;
  int64_t hidden_dim = 0;  // (d')
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t ffn_dim = 0;
  std::vector<int64_t> cross_layers = {0};  // (P_enc) layers that attend to the decoder's activations, from 0
  bool shared_embedding = false;            // tokens are embedded by the decoder's matrix; then of its width
  // Its layers are the decoder's own first num_layers, causal as there: no weights beside a last norm, and what a
  // neighbour is encoded to does not depend on the chunk that attends. Then of the decoder's sizes, with
  // shared_embedding, and without cross_layers. (Not in the paper: a RETROfit's attention begins as a copy of the
  // base's and so finds the keys and values that it was trained on.)
  bool shared_layers = false;

  friend bool operator==(const NeighbourEncoderConfig&, const NeighbourEncoderConfig&) = default;
};

struct RetroConfig {
  int64_t chunk_len = 64;           // (m) tokens of a chunk
  int64_t neighbour_len = 128;      // (r) tokens of a neighbour: the chunk found and its continuation
  int64_t num_neighbours = 2;       // (k) in training; another number may be used afterwards
  std::vector<int64_t> cca_layers;  // (P) decoder layers with chunked cross-attention, from 0, ascending
  bool gated = false;               // each such attention is multiplied by tanh of a learned number, 0 at first
  NeighbourEncoderConfig encoder;
  std::string embedder;  // fingerprint of the embedder that finds the neighbours; empty: not said

  // The sentence that says what cannot be; empty when valid. `num_layers`, `hidden_dim`: of the decoder.
  std::string Validate(int64_t num_layers, int64_t hidden_dim) const;

  friend bool operator==(const RetroConfig&, const RetroConfig&) = default;
};

// The paper's choice (table 10): every third layer, from the 6th, or from the 9th in 24 layers and more. A decoder of
// fewer than 6 layers has one, in the middle.
std::vector<int64_t> DefaultCcaLayers(int64_t num_layers);

// From the "retro" section of a config.json. Throws Error(kInvalidArgument) naming file and field.
RetroConfig RetroConfigFromJson(const JsonFields& section);
nlohmann::json ToJson(const RetroConfig& config);

}  // namespace retro
