#include "core/thread_pool.h"

#include <sched.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

TEST(ThreadPool, EveryIndexIsVisitedOnceWhateverTheSizes) {
  for (const size_t num_threads : {1, 2, 3, 8}) {
    ThreadPool pool(num_threads);
    EXPECT_EQ(pool.num_threads(), num_threads);
    for (const size_t count : {0, 1, 2, 3, 7, 8, 9, 64, 1000, 20000}) {
      std::vector<std::atomic<int>> visits(count);
      pool.ParallelFor(count, [&](size_t i) { visits[i].fetch_add(1); });
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(visits[i], 1) << i << " of " << count;
    }
  }
}

TEST(ThreadPool, WhatTheBodiesWroteIsSeenAfterTheLoop) {
  ThreadPool pool(4);
  std::vector<size_t> values(257);
  for (size_t round = 1; round < 3000; ++round) {
    pool.ParallelFor(values.size(), [&](size_t i) { values[i] += i; });  // plain memory, on purpose
  }
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], 2999 * i);
}

TEST(ThreadPool, LoopsThatFollowOneAnotherDoNotMix) {
  ThreadPool pool(8);
  for (size_t round = 0; round < 20000; ++round) {
    std::atomic<size_t> sum{0};
    const size_t count = 2 + round % 9;
    pool.ParallelFor(count, [&sum, round](size_t i) { sum += round + i; });
    ASSERT_EQ(sum, count * round + count * (count - 1) / 2);
  }
}

TEST(ThreadPool, SeveralThreadsWorkAtOnce) {
  ThreadPool pool(3);
  std::atomic<int> waiting{0};
  // Ends only when three threads are inside the body together.
  pool.ParallelFor(3, [&](size_t) {
    waiting.fetch_add(1);
    while (waiting.load() < 3) std::this_thread::yield();
  });
  EXPECT_EQ(waiting, 3);
}

TEST(ThreadPool, ALongLoopIsWaitedForBeyondTheSpinning) {
  ThreadPool pool(2);
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> other_began{false};
    std::atomic<uint64_t> steps{0};
    const auto caller = std::this_thread::get_id();
    // The caller's index waits for the worker, then ends; the worker's goes on for much longer than a spin.
    pool.ParallelFor(2, [&](size_t) {
      if (std::this_thread::get_id() == caller) {
        while (!other_began) std::this_thread::yield();
      } else {
        other_began = true;
        while (steps.fetch_add(1) < 300000) {
        }
      }
    });
    EXPECT_GT(steps, 300000u);
  }
}

TEST(ThreadPool, OneThreadRunsInOrderOnTheCaller) {
  ThreadPool pool(1);
  std::vector<size_t> order;
  const auto caller = std::this_thread::get_id();
  pool.ParallelFor(5, [&](size_t i) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    order.push_back(i);
  });
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 3, 4}));
}

TEST(ThreadPool, AnExceptionReachesTheCallerAndThePoolStaysUsable) {
  for (const size_t num_threads : {1, 2, 5}) {
    ThreadPool pool(num_threads);
    for (size_t round = 0; round < 200; ++round) {
      EXPECT_THROW(pool.ParallelFor(100,
                                    [&](size_t i) {
                                      if (i == round % 100) throw std::out_of_range("one");
                                    }),
                   std::out_of_range);
      std::atomic<size_t> visits{0};
      pool.ParallelFor(10, [&](size_t) { ++visits; });
      ASSERT_EQ(visits, 10u);
    }
  }
}

TEST(ThreadPool, OfManyExceptionsOneIsRethrownAndNoIndexIsBegunAfterwards) {
  ThreadPool pool(4);
  std::atomic<size_t> begun{0};
  const auto loop = [&] {
    pool.ParallelFor(100000, [&](size_t) {
      ++begun;
      Throw(ErrorCode::kIo, "every index fails");
    });
  };
  EXPECT_ERROR(loop(), ErrorCode::kIo, "every index fails");
  EXPECT_LE(begun, 8u);  // each of the four may be between its look at the flag and its own failure
}

TEST(ThreadPool, ALoopInsideALoopIsRefused) {
  ThreadPool pool(2);
  const auto nested = [&] { pool.ParallelFor(4, [&](size_t) { pool.ParallelFor(4, [](size_t) {}); }); };
  EXPECT_ERROR(nested(), ErrorCode::kInternal, "inside or beside another");
}

TEST(ThreadPool, ALoopTooLongForItsCounterIsRefused) {
  ThreadPool pool(2);
  EXPECT_ERROR(pool.ParallelFor(size_t{1} << 32, [](size_t) {}), ErrorCode::kInternal, "too long");
}

TEST(ThreadPool, ManyPoolsComeAndGo) {
  for (int i = 0; i < 200; ++i) {
    ThreadPool pool(4);
    if (i % 2 == 0) pool.ParallelFor(3, [](size_t) {});
  }
}

TEST(ThreadPool, ByDefaultThereIsOneThreadACoreOfTheAffinityMask) {
  EXPECT_EQ(ThreadPool().num_threads(), AvailableCores());
  cpu_set_t old, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof old, &old), 0);
  EXPECT_EQ(AvailableCores(), static_cast<size_t>(CPU_COUNT(&old)));
  int core = 0;
  while (!CPU_ISSET(core, &old)) ++core;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(AvailableCores(), 1u);
  ::sched_setaffinity(0, sizeof old, &old);
}

}  // namespace
}  // namespace retro
