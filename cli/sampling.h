// The sampling options that generating commands share.
#pragma once

#include "cli/command.h"
#include "model/sampler.h"

namespace retro::cli {

void AddSamplingOptions(CLI::App& command, SamplingOptions& options);

}  // namespace retro::cli
