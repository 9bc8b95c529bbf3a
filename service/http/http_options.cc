#include "service/http/http_options.h"

#include "core/error.h"

namespace retro {

void HttpOptions::Validate() const {
  if (tls_certificate.empty() != tls_key.empty()) {
    Throw(ErrorCode::kInvalidArgument, "TLS needs both a certificate and its key: give both or none");
  }
  for (const std::string& key : api_keys) {
    if (key.empty()) Throw(ErrorCode::kInvalidArgument, "an API key is empty: give one with at least one character");
  }
  if (io_threads == 0 || worker_threads == 0) {
    Throw(ErrorCode::kInvalidArgument, "io_threads is {}, worker_threads {}: both must be at least 1", io_threads,
          worker_threads);
  }
  if (limits.requests < 1 || limits.connections < 1) {
    Throw(ErrorCode::kInvalidArgument, "the limit of requests is {}, of connections {}: both must be at least 1",
          limits.requests, limits.connections);
  }
}

}  // namespace retro
