#include "service/http/connection.h"

namespace retro {

void LiveConnections::Add(LiveConnection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.insert(connection);
}

void LiveConnections::Remove(LiveConnection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
  if (connections_.empty()) none_.notify_all();
}

void LiveConnections::DrainAll() {
  const std::lock_guard lock(mutex_);
  for (LiveConnection* connection : connections_) connection->Drain();
}

void LiveConnections::CutAll() {
  const std::lock_guard lock(mutex_);
  for (LiveConnection* connection : connections_) connection->Cut();
}

size_t LiveConnections::size() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

bool LiveConnections::WaitUntilNone(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return none_.wait_for(lock, time, [this] { return connections_.empty(); });
}

}  // namespace retro
