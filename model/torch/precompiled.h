// The one include of LibTorch: half a minute to parse, so CMake precompiles it for model/torch/.
#pragma once

#include <torch/torch.h>
