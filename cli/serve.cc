// retro serve: answers over HTTP, with the page.
#include <chrono>
#include <iostream>
#include <thread>

#include "cli/answering.h"
#include "cli/command.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"
#include "index-builder/live_database_editor.h"
#include "service/http/server.h"

namespace retro::cli {
namespace {

struct ServeOptions {
  AnsweringOptions answering;
  HttpOptions http;
  EngineLimits engine;
  std::string name, adapter_name, key_file, feedback;
  int64_t request_seconds = 300, drain_seconds = 30;
  bool writable = false;
};

// How soon a change is seen that another program made.
constexpr std::chrono::milliseconds kDatabasePoll{1000};

void AddHttpOptions(CLI::App& serve, ServeOptions& options) {
  HttpOptions& http = options.http;
  serve.add_option("--host", http.host, "Address to listen on; 0.0.0.0: every one of the machine's")
      ->capture_default_str();
  serve.add_option("--port", http.port, "Port to listen on; 0: one that is free")->capture_default_str();
  serve.add_option("--name", options.name, "What clients call the model; default: the name of its folder or file");
  serve.add_option("--adapter-name", options.adapter_name,
                   "What they call it with its adapter; default: the name of the adapter's folder");
  serve.add_option("--api-key", http.api_keys, "A key that requests must carry; may be given several times")
      ->envname("RETRO_API_KEY");
  serve.add_option("--api-key-file", options.key_file, "A file with one key on each line");
  serve.add_option("--cors-origin", http.cors_origins,
                   "A web page's origin that may call, e.g. https://example.org; may be given several times; *: any");
  serve.add_option("--tls-cert", http.tls_certificate, "Certificate (PEM, with its chain): serve HTTPS");
  serve.add_option("--tls-key", http.tls_key, "The certificate's key (PEM)");
  serve.add_flag("--writable", options.writable,
                 "Let clients add, replace and remove documents of the database (/v1/documents)");
  serve.add_option("--feedback", options.feedback, "File that votes on answers are appended to, as JSON lines");
}

void AddLimitOptions(CLI::App& serve, ServeOptions& options) {
  HttpLimits& limits = options.http.limits;
  serve.add_option("--max-requests", limits.requests, "Requests at work or waiting; further ones get 503")
      ->capture_default_str();
  serve
      .add_option("--max-requests-per-client", limits.requests_per_client,
                  "The same of one API key (without keys: of one address); further ones get 429; 0: no limit")
      ->capture_default_str();
  serve.add_option("--max-connections", limits.connections, "Connections; further ones are closed")
      ->capture_default_str();
  serve.add_option("--max-body-bytes", limits.body_bytes, "Size of a request")->capture_default_str();
  serve.add_option("--request-timeout", options.request_seconds, "Seconds that a request may take")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  serve
      .add_option("--drain-timeout", options.drain_seconds,
                  "Seconds that requests have to end when the server is stopped")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  serve.add_option("--max-sequences", options.engine.max_sequences, "Texts that are decoded together")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  serve.add_option("--max-queued", options.engine.max_queued, "Texts that wait for that; further ones get 503")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  serve.add_option("--cache-tokens", options.engine.cache_tokens, "Tokens of all texts at work together")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
}

std::string LastPart(const std::string& of_path) {
  const std::filesystem::path path = std::filesystem::absolute(of_path).lexically_normal();
  return path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
}

void NameModels(const ServeOptions& options, ServedModel& served) {
  const std::string& adapter = options.answering.adapter;
  served.id = options.name.empty() ? LastPart(options.answering.model) : options.name;
  if (!options.adapter_name.empty() && adapter.empty()) {
    Throw(ErrorCode::kInvalidArgument, "--adapter-name names an adapter and there is none: give it with --adapter");
  }
  if (adapter.empty()) return;
  served.adapter_id = options.adapter_name.empty() ? LastPart(adapter) : options.adapter_name;
  if (served.adapter_id == served.id) {
    Throw(ErrorCode::kInvalidArgument,
          "the model and its adapter are both called \"{}\": give one another name with --name or --adapter-name",
          served.id);
  }
}

// Without a template that can be used, the server does what needs none.
void OpenChat(const std::string& model, const Tokenizer& tokenizer, ServedModel& served) {
  try {
    auto chat = std::make_shared<ChatTemplate>(ChatTemplate::Load(model));
    chat->CheckMarks(tokenizer);
    served.chat = std::move(chat);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound && error.code() != ErrorCode::kInvalidArgument) throw;
    spdlog::warn("{}; /v1/chat/completions and /v1/answer are off", error.what());
  }
}

void OpenLiveDatabase(const ServeOptions& options, size_t num_threads, ServedModel& served) {
  const DatabaseOptions& database = options.answering.database;
  const auto live = std::make_shared<LiveDatabase>(OpenDatabase(database, served.embedder), kDatabasePoll);
  served.database = [live] { return live->Current(); };
  if (!options.writable) return;
  Progress::SetEnabled(false);  // of the builds that changes are
  std::shared_ptr<const Embedder> embedder = served.embedder;
  if (embedder->precision() != RecordedPrecision(database.db)) {  // of questions; documents are embedded as the others
    DatabaseOptions of_chunks = database;
    of_chunks.precision.reset();
    embedder = OpenEmbedder(of_chunks);
  }
  // Half of the threads, so that questions go on.
  served.editor = std::make_shared<LiveDatabaseEditor>(live, OpenTokenizer(database), std::move(embedder),
                                                       UpdateOptions{}, std::max<size_t>(1, num_threads / 2));
}

// Without a database the server does what needs none.
ServedModel OpenServed(ServeOptions& options, ThreadPool& pool, size_t num_threads) {
  AnsweringOptions& answering = options.answering;
  LanguageModel model = OpenLanguageModel(answering.model, answering.int8, pool, answering.adapter);
  ServedModel served;
  NameModels(options, served);
  served.feedback_file = options.feedback;
  served.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  served.answer = CompleteAnswerOptions(answering, *model.decoder);
  if (answering.database.db.empty()) served.answer.retrieval = RetrievalMode::kOff;
  if (UsesCrossAttention(served.answer.retrieval)) CheckTakesNeighbours(*model.decoder);
  OpenChat(answering.model, *model.tokenizer, served);
  if (!answering.database.db.empty() || !answering.database.encoder.empty()) {
    served.embedder = OpenEmbedder(answering.database);
  }
  if (!answering.database.db.empty()) {
    OpenLiveDatabase(options, num_threads, served);
  }
  served.engine = std::make_shared<Engine>(std::move(model.decoder), model.tokenizer, options.engine, num_threads);
  return served;
}

void Serve(ServeOptions options, const GlobalOptions& globals) {
  if (!options.key_file.empty()) {
    for (const std::string& key : ReadLines(options.key_file)) {
      if (!key.empty()) options.http.api_keys.push_back(key);
    }
    if (options.http.api_keys.empty()) Throw(ErrorCode::kInvalidArgument, "{} holds no key", options.key_file);
  }
  options.http.limits.request = std::chrono::seconds(options.request_seconds);
  options.http.limits.drain = std::chrono::seconds(options.drain_seconds);
  options.http.Validate();
  if (options.writable && options.answering.database.db.empty()) {
    Throw(ErrorCode::kInvalidArgument, "--writable needs a database to write to: name it with --db");
  }
  const size_t num_threads = globals.num_threads == 0 ? AvailableCores() : globals.num_threads;
  ThreadPool pool(num_threads);
  options.http.worker_threads = num_threads;
  HttpServer server(options.http, OpenServed(options, pool, num_threads));
  std::cout << fmt::format("Ready at {} (Ctrl-C ends it)\n", server.url()) << std::flush;
  // The handler of the signals only sets a flag.
  while (!Interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  server.Drain();
}

}  // namespace

void AddServe(CLI::App& app, const GlobalOptions& globals) {
  auto* serve = app.add_subcommand(
      "serve",
      "Answer over HTTP: a page for people, OpenAI's API for programs\n"
      "For example: retro serve --db db --model SmolLM2-135M-Instruct, then open the address that it prints.");
  auto options = std::make_shared<ServeOptions>();
  AddAnsweringOptions(*serve, options->answering);
  serve->get_option("--db")->required(false)->description("The retrieval database; without one there is no retrieval");
  AddHttpOptions(*serve, *options);
  AddLimitOptions(*serve, *options);
  serve->callback([options, &globals] { Serve(*options, globals); });
}

}  // namespace retro::cli
