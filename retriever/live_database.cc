#include "retriever/live_database.h"

#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "retriever/generation.h"

namespace retro {

LiveDatabase::LiveDatabase(std::shared_ptr<const RetrievalDatabase> database, std::chrono::milliseconds poll)
    : current_(std::move(database)) {
  if (poll > std::chrono::milliseconds(0)) poller_ = std::thread([this, poll] { Poll(poll); });
}

LiveDatabase::~LiveDatabase() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (poller_.joinable()) poller_.join();
}

std::shared_ptr<const RetrievalDatabase> LiveDatabase::Current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

void LiveDatabase::Refresh() {
  const std::lock_guard refreshing(refreshing_);
  std::shared_ptr<const RetrievalDatabase> old = Current();  // let go of after the locks: closing its files takes time
  if (!old->HasNewer()) return;
  std::shared_ptr<const RetrievalDatabase> newer = old->OpenNewer();
  spdlog::info("{}: generation {} is open", newer->folder().string(), newer->generation());
  const std::lock_guard lock(mutex_);
  current_ = std::move(newer);
}

void LiveDatabase::Poll(std::chrono::milliseconds interval) {
  std::optional<FileStamp> failed;  // the generation that could not be opened
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, interval, [this] { return stopping_; })) {
    const std::filesystem::path folder = current_->folder();
    lock.unlock();
    std::optional<FileStamp> stamp;
    try {
      stamp = DatabaseGeneration::CurrentStamp(folder);
      if (!stamp || stamp != failed) Refresh();
    } catch (const std::exception& error) {
      if (!stamp || stamp != failed) spdlog::warn("the database goes on as it was opened: {}", error.what());
      failed = stamp;
    }
    lock.lock();
  }
}

}  // namespace retro
