// /v1/documents: the database is changed while it answers.
#include <set>

#include "core/log.h"
#include "service/http/body_fields.h"
#include "service/http/handlers.h"
#include "service/http/request_error.h"
#include "service/http/send_json.h"
#include "service/http/workers.h"

namespace retro {
namespace {

namespace asio = boost::asio;

constexpr size_t kMostFieldBytes = 4096;  // of everything but the text
constexpr size_t kMostSelected = 1000;    // ids or sources of one removal

// One of the edits that may be at work or waiting, for as long as it lives.
class EditPlace {
 public:
  explicit EditPlace(ServiceContext& context) : edits_(context.edits) {
    if (++edits_ <= context.limits.edits) return;
    --edits_;
    throw RequestError(503, "too many changes of documents are waiting: try again later");
  }
  ~EditPlace() { --edits_; }
  EditPlace(const EditPlace&) = delete;
  EditPlace& operator=(const EditPlace&) = delete;

 private:
  std::atomic<int>& edits_;
};

DatabaseEditor& RequireEditor(const ServiceContext& context) {
  if (context.model.editor) return *context.model.editor;
  throw RequestError(403, "the server was started without --writable: its documents cannot be changed");
}

bool IsBlank(const std::string& text) { return text.find_first_not_of(" \t\r\n\f\v") == std::string::npos; }

std::string ReadShort(const BodyFields& fields, const char* field) {
  std::string text = fields.Text(field, "");
  if (text.size() <= kMostFieldBytes) return text;
  RefuseField(fields.Path(field), "{} has {} bytes: it may have {}", fields.Path(field), text.size(), kMostFieldBytes);
}

Document ReadDocument(const nlohmann::json& json, size_t index) {
  const std::string path = fmt::format("documents[{}]", index);
  if (!json.is_object()) RefuseField(path, "{} is {}: it must be an object", path, Shown(json));
  const BodyFields fields(json, path + ".");
  fields.RequiredText("id");
  Document document{.id = ReadShort(fields, "id"),
                    .title = ReadShort(fields, "title"),
                    .text = fields.RequiredText("text"),
                    .source = ReadShort(fields, "source"),
                    .url = ReadShort(fields, "url"),
                    .licence = ReadShort(fields, "licence"),
                    .date = ReadShort(fields, "date")};
  if (document.id.empty()) RefuseField(fields.Path("id"), "{} is empty", fields.Path("id"));
  if (IsBlank(document.text)) RefuseField(fields.Path("text"), "{} is empty", fields.Path("text"));
  return document;
}

std::vector<Document> ReadDocuments(const ServiceContext& context, const HttpRequest& request) {
  const nlohmann::json body = ParseBody(request, context.limits.json_depth);
  const BodyFields fields(body);
  const nlohmann::json* list = fields.Find("documents");
  if (list == nullptr || !list->is_array() || list->empty()) {
    RefuseField("documents", "documents must be a list of objects with id and text");
  }
  if (list->size() > static_cast<size_t>(context.limits.documents_per_request)) {
    throw RequestError(
        413, fmt::format("{} documents: a request may have {}", list->size(), context.limits.documents_per_request));
  }
  std::vector<Document> documents;
  std::set<std::string> ids;
  for (const nlohmann::json& entry : *list) {
    documents.push_back(ReadDocument(entry, documents.size()));
    if (ids.insert(documents.back().id).second) continue;
    RefuseField(fmt::format("documents[{}].id", documents.size() - 1), "the id \"{}\" is there twice",
                documents.back().id);
  }
  return documents;
}

// DELETE /v1/documents/ID, or /v1/documents?id=…&source=….
DocumentSelection ReadSelection(const HttpRequest& request) {
  DocumentSelection selection;
  if (request.path.size() == 3) selection.ids.push_back(request.path[2]);
  for (const auto& [name, value] : request.query) {
    if (name == "id") selection.ids.push_back(value);
    if (name == "source") selection.sources.push_back(value);
  }
  if (selection.ids.empty() && selection.sources.empty()) {
    RefuseField("id", "name what to remove: /v1/documents/ID, or ?id= and ?source=, each as often as needed");
  }
  if (selection.ids.size() + selection.sources.size() > kMostSelected) {
    throw RequestError(413, fmt::format("a request may name {} ids and sources", kMostSelected));
  }
  return selection;
}

// Runs one change. Messages of files are for the log; the client is told what became of the change.
template <typename Edit>
DatabaseEdit Change(const HttpRequest& request, Edit edit) {
  try {
    return edit();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) {
      throw RequestError(404, "the database has no such document");
    }
    if (error.code() != ErrorCode::kUnavailable && error.code() != ErrorCode::kIo) throw;
    spdlog::warn("request {}: {}", request.id, error.what());
    if (error.code() == ErrorCode::kIo) {
      throw RequestError(507, fmt::format("the change could not be written, for want of space or of permission; the "
                                          "server's log tells more under request {}",
                                          request.id));
    }
    throw RequestError(503, "the database is being changed by another program, or the server is stopping: try again");
  }
}

}  // namespace

asio::awaitable<void> HandleAddDocuments(ServiceContext& context, Exchange& exchange) {
  DatabaseEditor& editor = RequireEditor(context);
  const HttpRequest& request = exchange.request();
  const auto read = [&] { return ReadDocuments(context, request); };
  const std::vector<Document> documents = co_await OnWorker(context.workers, read);
  const EditPlace place(context);
  const auto add = [&] { return Change(request, [&] { return editor.Add(documents); }); };
  const DatabaseEdit edit = co_await OnWorker(context.editing, add);
  const nlohmann::json json = {{"added", edit.added}, {"replaced", edit.replaced}, {"generation", edit.generation}};
  co_await SendJson(exchange, json);
}

asio::awaitable<void> HandleRemoveDocuments(ServiceContext& context, Exchange& exchange) {
  DatabaseEditor& editor = RequireEditor(context);
  const HttpRequest& request = exchange.request();
  const DocumentSelection selection = ReadSelection(request);
  const EditPlace place(context);
  const auto remove = [&] { return Change(request, [&] { return editor.Remove(selection); }); };
  const DatabaseEdit edit = co_await OnWorker(context.editing, remove);
  const nlohmann::json json = {{"removed", edit.removed}, {"generation", edit.generation}};
  co_await SendJson(exchange, json);
}

}  // namespace retro
