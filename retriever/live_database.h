// A retrieval database that stays open while its folder changes, under the requests that are at work on it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "retriever/retrieval_database.h"

namespace retro {

// Thread-safe. A generation stays open until the last who asked for it has let go of it.
class LiveDatabase {
 public:
  // Every `poll` a thread of its own looks whether the folder has a newer generation, whoever made it, and opens it;
  // when it cannot, it warns once for that generation and goes on with the one that is open. 0: nobody looks.
  LiveDatabase(std::shared_ptr<const RetrievalDatabase> database, std::chrono::milliseconds poll);
  ~LiveDatabase();
  LiveDatabase(const LiveDatabase&) = delete;
  LiveDatabase& operator=(const LiveDatabase&) = delete;

  // The newest generation that is open. Does not wait for one that is being opened.
  std::shared_ptr<const RetrievalDatabase> Current() const;

  // When it returns, Current() is the folder's generation at the time of the call, or a later one. Throws as
  // RetrievalDatabase::OpenNewer does; then Current() is what it was.
  void Refresh();

 private:
  void Poll(std::chrono::milliseconds interval);

  std::mutex refreshing_;     // held while a generation is opened
  mutable std::mutex mutex_;  // of what follows
  std::shared_ptr<const RetrievalDatabase> current_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread poller_;
};

}  // namespace retro
