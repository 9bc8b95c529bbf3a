#include "service/http/admission.h"

#include "service/http/request_error.h"

namespace retro {

std::unique_ptr<Admission::Place> Admission::Enter(const std::string& client) {
  const std::lock_guard lock(mutex_);
  int& of_client = by_client_[client];
  if (limits_.requests_per_client > 0 && of_client >= limits_.requests_per_client) {
    throw RequestError(
        429, fmt::format("{} requests of yours are at work, as many as may be: wait for one to end", of_client));
  }
  if (requests_ >= limits_.requests) {
    if (of_client == 0) by_client_.erase(client);
    throw RequestError(
        503, fmt::format("the server has {} requests at work, as many as it takes: try again later", requests_));
  }
  auto place = std::make_unique<Place>(*this, client);
  ++of_client;
  ++requests_;
  return place;
}

int Admission::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void Admission::Leave(const std::string& client) {
  const std::lock_guard lock(mutex_);
  --requests_;
  const auto found = by_client_.find(client);
  if (--found->second == 0) by_client_.erase(found);
}

}  // namespace retro
