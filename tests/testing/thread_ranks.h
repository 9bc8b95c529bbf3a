// Ranks as threads of one process, for tests of what is built on Communicator.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/communicator.h"

namespace retro {

// What the ranks of one group share: the operations under way, by their number in the order of calls.
class ThreadRanks {
 public:
  explicit ThreadRanks(int num_ranks) : num_ranks_(num_ranks) {}

  // Runs `work` once for each rank, each in a thread of its own, and waits for all.
  void Run(const std::function<void(Communicator&)>& work) {
    std::vector<std::thread> threads;
    for (int rank = 0; rank < num_ranks_; ++rank) {
      threads.emplace_back([&, rank] {
        Rank communicator(*this, rank);
        work(communicator);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  struct Operation {
    std::vector<std::vector<double>> given;  // by rank; empty: has not come yet
    int num_given = 0;
  };

  class Rank final : public Communicator {
   public:
    Rank(ThreadRanks& shared, int rank) : shared_(shared), rank_(rank) {}
    int rank() const override { return rank_; }
    int num_ranks() const override { return shared_.num_ranks_; }

    std::unique_ptr<Pending> StartSum(std::span<float> values) override {
      const size_t number = Give({values.begin(), values.end()});
      return std::make_unique<PendingSum>(*this, number, values);
    }
    void Sum(std::span<double> values) override {
      const size_t number = Give({values.begin(), values.end()});
      TakeSum(number, values);
    }
    // Exact up to 2^53.
    void Sum(std::span<int64_t> values) override {
      const size_t number = Give({values.begin(), values.end()});
      TakeSum(number, values);
    }
    void Broadcast(std::span<std::byte> bytes, int root) override {
      std::vector<double> given;
      for (const std::byte byte : bytes) given.push_back(static_cast<double>(byte));
      const size_t number = Give(std::move(given));
      const Operation& operation = shared_.WaitFor(number);
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(operation.given[root][i]);
    }

    size_t Give(std::vector<double> values) {
      std::lock_guard lock(shared_.mutex_);
      Operation& operation = shared_.operations_[next_];
      operation.given.resize(shared_.num_ranks_);
      operation.given[rank_] = std::move(values);
      ++operation.num_given;
      shared_.changed_.notify_all();
      return next_++;
    }

    template <typename T>
    void TakeSum(size_t number, std::span<T> out) {
      const Operation& operation = shared_.WaitFor(number);
      for (size_t i = 0; i < out.size(); ++i) {
        double sum = 0;
        for (const auto& given : operation.given) sum += given.at(i);
        out[i] = static_cast<T>(sum);
      }
    }

   private:
    struct PendingSum final : Pending {
      PendingSum(Rank& owner, size_t of, std::span<float> into) : rank(owner), number(of), values(into) {}
      void Progress() override {}
      void Wait() override { rank.TakeSum(number, values); }

      Rank& rank;
      size_t number;
      std::span<float> values;
    };

    ThreadRanks& shared_;
    int rank_;
    size_t next_ = 0;
  };

  // Complete operations change no more, so they are read without the lock.
  const Operation& WaitFor(size_t number) {
    std::unique_lock lock(mutex_);
    const Operation& operation = operations_.at(number);
    changed_.wait(lock, [&] { return operation.num_given == num_ranks_; });
    return operation;
  }

  int num_ranks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<size_t, Operation> operations_;
};

}  // namespace retro
