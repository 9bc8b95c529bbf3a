// What the handlers share.
#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>

#include "core/thread_pool.h"
#include "service/http/admission.h"
#include "service/http/metrics.h"
#include "service/http/server.h"

namespace retro {

struct ServiceContext {
  ServiceContext(const HttpOptions& options, ServedModel served)
      : limits(options.limits),
        model(std::move(served)),
        admission(options.limits),
        embedding_pool(options.worker_threads),
        workers(options.worker_threads) {}

  HttpLimits limits;
  ServedModel model;
  Admission admission;
  Metrics metrics;
  std::atomic<bool> ready{true};
  // Whole batches of texts are embedded one after the other on all threads: ThreadPool takes one caller at a time.
  std::mutex embedding_mutex;
  ThreadPool embedding_pool;
  std::mutex feedback_mutex;
  boost::asio::thread_pool workers;
  // Changes of documents take long and are made one after the other anyway.
  std::atomic<int> edits{0};  // at work or waiting
  boost::asio::thread_pool editing{1};
};

}  // namespace retro
