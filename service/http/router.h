// Which handler a request is for, and who may ask.
#pragma once

#include "service/http/api_keys.h"
#include "service/http/connection.h"
#include "service/http/service_context.h"

namespace retro {

struct Route;

class Router final : public Application {
 public:
  Router(const HttpOptions& options, ServedModel model);

  void SetReady(bool ready) { context_.ready = ready; }
  // Returns when no worker is at work any more: they use variables of the coroutines that wait for them.
  void JoinWorkers() {
    context_.workers.join();
    context_.editing.join();
  }

  void Admit(HttpRequest& request) override;
  boost::asio::awaitable<void> Handle(Exchange& exchange) override;
  std::vector<std::pair<std::string, std::string>> ReplyHeaders(const HttpRequest& request) const override;
  void Ended(const HttpRequest& request, int status, std::chrono::duration<double> time, End end) override;

 private:
  bool IsPreflight(const HttpRequest& request) const;
  bool IsAllowedOrigin(const std::string& origin) const;

  ApiKeys keys_;
  std::vector<std::string> cors_origins_;
  ServiceContext context_;
};

}  // namespace retro
