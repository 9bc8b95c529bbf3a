#include "model/torch/merge_adapter.h"

#include "model/torch/padded_batch.h"
#include "model/torch/retro_module_weights.h"

namespace retro {

void MergeAdapter(const std::filesystem::path& base, const std::filesystem::path& adapter,
                  const std::filesystem::path& folder) {
  const DecoderSource source = OpenDecoder(base, adapter);
  TranslateTorchErrors([&] { CopyModel(source, folder); });
}

}  // namespace retro
