// retro's HTTP server: answers, completions, retrieval and the page (docs/service.md).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "model/chat_template.h"
#include "retriever/database_editor.h"
#include "retriever/retrieval_database.h"
#include "service/answerer.h"
#include "service/engine.h"
#include "service/http/http_options.h"

namespace retro {

// What is served. `chat`, `embedder` and the database may be null: what needs them says that it is not there.
struct ServedModel {
  std::string id;  // the name that clients know it by
  // The name of the engine's decoder with its adapter, `id` then being the one without; empty: it has none.
  std::string adapter_id = {};
  std::shared_ptr<Engine> engine;
  std::shared_ptr<const ChatTemplate> chat;
  std::shared_ptr<const Embedder> embedder;
  // The database as it is now; a request keeps the one that it began with. Called from any thread.
  std::function<std::shared_ptr<const RetrievalDatabase>()> database = [] { return nullptr; };
  // Changes what `database` gives from then on; null: documents cannot be changed.
  std::shared_ptr<DatabaseEditor> editor = nullptr;
  // Defaults of /v1/answer: retrieval is what suits the model, the prompt's form what suits it with its adapter.
  AnswerOptions answer = {};
  std::string feedback_file = {};  // JSON lines that /v1/feedback appends to; empty: feedback is refused
  int64_t created = 0;             // seconds since 1970
};

// Listens and serves from its construction on, on threads of its own.
class HttpServer {
 public:
  // Throws Error(kInvalidArgument) on options that cannot be, Error(kIo) when it cannot listen (naming the address) or
  // read the certificate.
  HttpServer(const HttpOptions& options, ServedModel model);
  // Cuts off what is still at work.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;    // the one that was found, when any would do
  std::string url() const;  // "http://127.0.0.1:8080"

  // Not ready from now on: takes no further connections, lets requests at work come to their end for limits.drain, then
  // cuts off what is left. Returns when no connection is left.
  void Drain();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace retro
