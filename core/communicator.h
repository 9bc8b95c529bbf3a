// What the processes of one job say to each other: a few collective operations behind one interface, so that training
// and index builds know neither MPI nor how many processes there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace retro {

// Every rank calls the same operations in the same order with spans of the same length. One thread at a time, not
// always the same one. An operation whose partners do not come within the time limit ends the job, on all ranks.
class Communicator {
 public:
  // A sum in flight. Its span is not to be touched until Wait() has returned.
  class Pending {
   public:
    virtual ~Pending() = default;
    virtual void Progress() = 0;  // gives the transport time to work; never waits
    virtual void Wait() = 0;
  };

  virtual ~Communicator() = default;
  virtual int rank() const = 0;  // from 0
  virtual int num_ranks() const = 0;

  // The sum over all ranks, in place, the same bits on every rank.
  virtual std::unique_ptr<Pending> StartSum(std::span<float> values) = 0;
  virtual void Sum(std::span<double> values) = 0;
  virtual void Sum(std::span<int64_t> values) = 0;  // of any length
  // What rank `root` has, on every rank.
  virtual void Broadcast(std::span<std::byte> bytes, int root) = 0;
};

// The only rank: nothing to say and nobody to wait for.
class SingleProcess final : public Communicator {
 public:
  int rank() const override { return 0; }
  int num_ranks() const override { return 1; }
  std::unique_ptr<Pending> StartSum(std::span<float> values) override;
  void Sum(std::span<double>) override {}
  void Sum(std::span<int64_t>) override {}
  void Broadcast(std::span<std::byte>, int) override {}
};

// The value that rank 0 has.
double FromRankZero(double value, Communicator& communicator);

// Whether mpirun or srun started this process as one of several, by what they leave in the environment. MPI itself is
// not touched: a process started by hand never initializes it.
bool LaunchedAsRank();

// This process' number among those on its machine, from 0, as the launcher says it: which of the machine's GPUs to
// take.
int LocalRank();

// The ranks that mpirun or srun started (core/mpi_communicator.cc); SingleProcess where LaunchedAsRank() says no.
// `timeout_s`: how long a rank waits for the others before it ends the job, naming those that are missing. At most one
// in a process, and once only. Destroyed while an exception is on its way, it leaves the others without a word: the
// launcher ends them when this process fails. Throws Error(kUnavailable) when MPI does not find the other ranks.
std::unique_ptr<Communicator> ConnectRanks(double timeout_s);

}  // namespace retro
