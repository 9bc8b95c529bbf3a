// One rank of a build, started by mpirun from build_ranks_test.cc:
//   build_rank INPUT OUT [STEP]     rank 1 kills itself at that step
#include <csignal>
#include <iostream>

#include "core/communicator.h"
#include "tests/index-builder/build_ranks.h"

int main(int argc, char** argv) {
  using namespace retro;
  Progress::SetEnabled(false);
  try {
    const auto ranks = ConnectRanks(60);
    IndexOptions options = kRankOptions;
    options.on_step = [&](std::string_view step) {
      if (argc > 3 && ranks->rank() == 1 && step == argv[3]) std::raise(SIGKILL);
    };
    ThreadPool pool(1);
    BuildIndex({argv[1]}, ByteTokenizer(), *MakeHashingEmbedder(), argv[2], options, pool, *ranks);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
