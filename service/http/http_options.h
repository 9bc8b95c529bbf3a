// How the HTTP server listens, whom it lets in, and what it bears.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace retro {

struct HttpLimits {
  size_t header_bytes = 16384;
  int headers = 100;
  size_t body_bytes = size_t{2} << 20;
  int body_chunks = 65536;  // of a chunked body
  int json_depth = 64;
  int connections = 20000;      // further ones are closed at once
  int requests = 512;           // at work and waiting together; further ones get 503
  int requests_per_client = 0;  // of one API key, or of one address when there are no keys; more get 429; 0: no limit
  int sequences_per_request = 256;       // prompts times `n`
  int documents_per_request = 1000;      // to add
  int edits = 16;                        // of documents, at work and waiting; further ones get 503
  std::chrono::seconds header{10};       // from a request's first byte to the end of its header
  std::chrono::seconds body{30};         // to read it
  std::chrono::seconds idle{60};         // between two requests
  std::chrono::seconds write_stall{30};  // for the client to take what is written
  std::chrono::seconds request{300};     // from the end of the body to the end of the reply
  std::chrono::seconds drain{30};        // for what runs when the server is told to stop
};

struct HttpOptions {
  std::string host = "127.0.0.1";  // an address, or "localhost"
  uint16_t port = 8080;            // 0: any that is free
  // With keys, a request must carry one ("Authorization: Bearer KEY"); only probes and the page's files are open.
  std::vector<std::string> api_keys = {};
  std::vector<std::string> cors_origins = {};      // which web pages of other origins may call; "*": any
  std::string tls_certificate = {}, tls_key = {};  // PEM files; both or none
  size_t io_threads = 2;                           // for connections
  size_t worker_threads = 2;                       // for tokenizing, retrieval and the like; the engine has its own
  HttpLimits limits = {};

  // Throws Error(kInvalidArgument) naming the option, its value and what it may be.
  void Validate() const;
};

}  // namespace retro
