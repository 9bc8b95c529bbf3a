#include "model/torch/merge_adapter.h"

#include "model/torch/padded_batch.h"
#include "model/torch/retro_module_weights.h"
#include "model/torch/save_decoder.h"

namespace retro {

void MergeAdapter(const std::filesystem::path& base, const std::filesystem::path& adapter,
                  const std::filesystem::path& folder) {
  const DecoderSource source = OpenDecoder(base, adapter);
  TranslateTorchErrors([&] {
    if (!source.config.retro) return SaveDecoder(folder, ModuleConfig(source), LoadDecoderModule(source));
    const RetroModule module = LoadRetroModule(source);
    SaveDecoder(folder, ModuleConfig(source), module->decoder, RetroTensors(module));
  });
}

}  // namespace retro
