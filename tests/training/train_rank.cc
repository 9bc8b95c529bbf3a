// One rank of a data parallel run, started by mpirun from data_parallel_test.cc:
//   train_rank FOLDER STEPS ACCUMULATION [zero] [end-at=STEP:SIGNAL] [timeout=SECONDS]
// FOLDER: that of the test's TrainingRun. `end-at`: rank 1 sends itself that signal after a step. Prints the result's
// step.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "core/communicator.h"
#include "core/interrupt.h"
#include "tests/training/training_run.h"

namespace retro {
namespace {

struct Arguments {
  int end_step = 0, end_signal = 0;
  double timeout_s = 60;
};

Arguments Read(int argc, char** argv, TrainConfig& config) {
  Arguments arguments;
  const std::filesystem::path folder = argv[1];
  config.data.corpora = {{.folder = (folder / "corpus").string()}};
  config.model.tokenizer = folder.string();
  config.out = (folder / "run").string();
  config.steps = std::atoi(argv[2]);
  config.data.accumulation = std::atoi(argv[3]);
  config.optimizer.dropout = 0.1;
  for (int i = 4; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "zero") config.shard_optimizer = true;
    std::sscanf(argv[i], "end-at=%d:%d", &arguments.end_step, &arguments.end_signal);
    std::sscanf(argv[i], "timeout=%lf", &arguments.timeout_s);
  }
  return arguments;
}

int Main(int argc, char** argv) {
  InstallInterruptHandler();
  TrainingRun run;
  const Arguments arguments = Read(argc, argv, run.config);
  try {
    const auto ranks = ConnectRanks(arguments.timeout_s);
    const TrainResult result = run.Train(
        run.config,
        [&](const StepMetrics& metrics) {
          if (ranks->rank() == 1 && metrics.step == arguments.end_step) std::raise(arguments.end_signal);
        },
        ranks.get());
    if (ranks->rank() == 0) std::cout << "step " << result.step << "\n";
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}

}  // namespace
}  // namespace retro

int main(int argc, char** argv) { return retro::Main(argc, argv); }
