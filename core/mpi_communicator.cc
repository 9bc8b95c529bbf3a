// Communicator over MPI. The only file that knows MPI; a library of its own (retro::mpi).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <thread>
#include <vector>

#include "core/communicator.h"
#include "core/error.h"

namespace retro {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRollCall = 1, kPresent = 2;        // tags
constexpr std::chrono::seconds kRollCallTime(3);  // that ranks have to say that they are there
constexpr int kMaxCount = std::numeric_limits<int>::max();

std::string ErrorText(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return text;
}

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(double timeout_s)
      : timeout_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_s))) {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &num_ranks_);
    if (provided < MPI_THREAD_SERIALIZED) {
      Throw(ErrorCode::kUnavailable, "this MPI library is not built for threads (MPI_THREAD_SERIALIZED)");
    }
  }

  // MPI_Finalize waits for all ranks, and those that do not know of the exception are elsewhere.
  ~MpiCommunicator() override {
    if (std::uncaught_exceptions() == 0) MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int num_ranks() const override { return num_ranks_; }

  std::unique_ptr<Pending> StartSum(std::span<float> values) override {
    RequireCount(values.size());
    MPI_Request request;
    Check(MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_FLOAT, MPI_SUM,
                         MPI_COMM_WORLD, &request),
          "sum");
    return std::make_unique<PendingSum>(*this, request);
  }

  void Sum(std::span<double> values) override {
    RequireCount(values.size());
    MPI_Request request;
    Check(MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM,
                         MPI_COMM_WORLD, &request),
          "sum");
    Wait(request);
  }

  void Sum(std::span<int64_t> values) override {
    for (size_t begin = 0; begin < values.size(); begin += kMaxCount) {
      const auto part = values.subspan(begin, std::min<size_t>(kMaxCount, values.size() - begin));
      MPI_Request request;
      Check(MPI_Iallreduce(MPI_IN_PLACE, part.data(), static_cast<int>(part.size()), MPI_INT64_T, MPI_SUM,
                           MPI_COMM_WORLD, &request),
            "sum");
      Wait(request);
    }
  }

  void Broadcast(std::span<std::byte> bytes, int root) override {
    for (size_t begin = 0; begin < bytes.size(); begin += kMaxCount) {
      const auto part = bytes.subspan(begin, std::min<size_t>(kMaxCount, bytes.size() - begin));
      MPI_Request request;
      Check(MPI_Ibcast(part.data(), static_cast<int>(part.size()), MPI_BYTE, root, MPI_COMM_WORLD, &request),
            "broadcast");
      Wait(request);
    }
  }

 private:
  class PendingSum final : public Pending {
   public:
    PendingSum(MpiCommunicator& owner, MPI_Request request) : owner_(owner), request_(request) {}
    void Progress() override { owner_.IsDone(request_); }
    void Wait() override { owner_.Wait(request_); }

   private:
    MpiCommunicator& owner_;
    MPI_Request request_;
  };

  void RequireCount(size_t count) const {
    if (count > size_t{kMaxCount}) Throw(ErrorCode::kInternal, "{} values in one sum", count);
  }

  // An error of the transport, usually a connection that broke.
  void Check(int code, const char* what) const {
    if (code != MPI_SUCCESS) EndJob(fmt::format("rank {}: {} failed: {}", rank_, what, ErrorText(code)));
  }

  bool IsDone(MPI_Request& request) const {
    int done = 0;
    Check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "communication");
    return done != 0;
  }

  // Busy at first, since partners are usually near; then with pauses, since they may need this core.
  void Wait(MPI_Request& request) const {
    const Clock::time_point start = Clock::now();
    while (!IsDone(request)) {
      const Clock::duration waited = Clock::now() - start;
      if (rank_ != 0) AnswerRollCall();
      if (waited > Patience()) OnTimeout();
      if (waited < std::chrono::milliseconds(1)) {
        std::this_thread::yield();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }

  // Rank 0 speaks first: it can ask who is missing. When it is the one, the others find out a little later.
  Clock::duration Patience() const { return rank_ == 0 ? timeout_ : timeout_ + 2 * kRollCallTime; }

  void AnswerRollCall() const {
    int asked = 0;
    MPI_Iprobe(0, kRollCall, MPI_COMM_WORLD, &asked, MPI_STATUS_IGNORE);
    if (asked == 0) return;
    MPI_Recv(nullptr, 0, MPI_BYTE, 0, kRollCall, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Send(nullptr, 0, MPI_BYTE, 0, kPresent, MPI_COMM_WORLD);
  }

  [[noreturn]] void OnTimeout() const {
    const std::vector<int> missing = rank_ == 0 ? MissingRanks() : std::vector<int>{0};
    const double seconds = std::chrono::duration<double>(timeout_).count();
    if (missing.empty()) {
      EndJob(fmt::format("the ranks did not get an operation done within {} s: the network is too slow or broken",
                         seconds));
    }
    EndJob(fmt::format("rank {} did not answer within {} s", fmt::join(missing, ", "), seconds));
  }

  // Those that do not wait for the same operation, or do not run at all.
  std::vector<int> MissingRanks() const {
    std::vector<MPI_Request> answers(num_ranks_, MPI_REQUEST_NULL);
    for (int other = 1; other < num_ranks_; ++other) {
      MPI_Request sent;
      MPI_Isend(nullptr, 0, MPI_BYTE, other, kRollCall, MPI_COMM_WORLD, &sent);
      MPI_Request_free(&sent);
      MPI_Irecv(nullptr, 0, MPI_BYTE, other, kPresent, MPI_COMM_WORLD, &answers[other]);
    }
    int all = 0;
    for (const auto start = Clock::now(); all == 0 && Clock::now() - start < kRollCallTime;) {
      MPI_Testall(num_ranks_, answers.data(), &all, MPI_STATUSES_IGNORE);
    }
    std::vector<int> missing;
    for (int other = 1; other < num_ranks_; ++other) {
      int here = 0;
      MPI_Test(&answers[other], &here, MPI_STATUS_IGNORE);
      if (here == 0) missing.push_back(other);
    }
    return missing;
  }

  [[noreturn]] static void EndJob(const std::string& why) {
    std::fprintf(stderr, "retro: %s; all ranks end here. Start the same command again to go on from what is on disk\n",
                 why.c_str());
    std::fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::_Exit(1);
  }

  Clock::duration timeout_;
  int rank_ = 0, num_ranks_ = 1;
};

// Started by srun as one of several, yet alone in MPI's world.
void RequireWorld(const Communicator& communicator) {
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  if (communicator.num_ranks() > 1 || tasks == nullptr || std::atoi(tasks) < 2) return;
  Throw(ErrorCode::kUnavailable,
        "srun started {} tasks, but MPI sees one process: give srun --mpi=pmix, or start it with mpirun", tasks);
}

}  // namespace

std::unique_ptr<Communicator> ConnectRanks(double timeout_s) {
  if (!LaunchedAsRank()) return std::make_unique<SingleProcess>();
  auto communicator = std::make_unique<MpiCommunicator>(timeout_s);
  RequireWorld(*communicator);
  return communicator;
}

}  // namespace retro
