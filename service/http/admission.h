// How many requests may be at work at once, all together and of one client.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "service/http/http_options.h"

namespace retro {

// Thread-safe.
class Admission {
 public:
  explicit Admission(const HttpLimits& limits) : limits_(limits) {}

  // A place, given back when it is destroyed. Must not outlive the Admission.
  class Place {
   public:
    Place(Admission& admission, std::string client) : admission_(&admission), client_(std::move(client)) {}
    ~Place() { admission_->Leave(client_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    Admission* admission_;
    std::string client_;
  };

  // Throws RequestError: 429 when the client has as many as it may, 503 when the server is full.
  std::unique_ptr<Place> Enter(const std::string& client);

  int requests() const;

 private:
  void Leave(const std::string& client);

  HttpLimits limits_;
  mutable std::mutex mutex_;
  int requests_ = 0;
  std::map<std::string, int> by_client_;
};

}  // namespace retro
