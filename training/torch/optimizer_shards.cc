#include "training/torch/optimizer_shards.h"

#include <cstddef>
#include <span>

namespace retro {
namespace {

std::span<std::byte> WritableBytes(const torch::Tensor& tensor) {
  return std::as_writable_bytes(std::span(tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())));
}

// The owner's values on every rank, in `piece` itself.
void Share(torch::Tensor piece, int owner, Communicator& communicator) {
  const auto on_cpu = piece.to(torch::kCPU);  // the piece itself where it is there already
  communicator.Broadcast(WritableBytes(on_cpu), owner);
  if (!piece.device().is_cpu()) piece.copy_(on_cpu);
}

// A moment of a piece, on every rank.
torch::Tensor Shared(const AdamW::Piece& piece, const torch::Tensor& moment, Communicator& communicator) {
  const auto values = moment.defined() ? moment.to(torch::kCPU) : torch::empty({piece.size});
  communicator.Broadcast(WritableBytes(values), piece.owner);
  return values;
}

}  // namespace

void ShareWeights(const AdamW& optimizer, Communicator& communicator) {
  torch::NoGradGuard no_grad;
  for (const AdamW::Piece& piece : optimizer.pieces()) Share(piece.Of(piece.weight), piece.owner, communicator);
}

std::vector<std::pair<std::string, torch::Tensor>> GatherMoments(const AdamW& optimizer, Communicator& communicator) {
  torch::NoGradGuard no_grad;
  std::vector<std::pair<std::string, torch::Tensor>> gathered;
  const bool keeps = communicator.rank() == 0;
  for (const AdamW::Piece& piece : optimizer.pieces()) {
    if (keeps && piece.begin == 0) {
      for (const char* moment : {".first", ".second"}) {
        gathered.emplace_back(piece.name + moment, torch::empty(piece.weight.sizes()));
      }
    }
    const auto first = Shared(piece, piece.first, communicator), second = Shared(piece, piece.second, communicator);
    if (!keeps) continue;
    piece.Of(gathered[gathered.size() - 2].second).copy_(first);
    piece.Of(gathered.back().second).copy_(second);
  }
  return gathered;
}

}  // namespace retro
