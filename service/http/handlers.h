// The handlers of the routes (router.cc), one file each group. They run on the connection's strand and take work that
// is longer than a moment to the workers.
#pragma once

#include "service/http/exchange.h"
#include "service/http/service_context.h"

namespace retro {

using Handler = boost::asio::awaitable<void> (*)(ServiceContext& context, Exchange& exchange);

// completions.cc, chat.cc
boost::asio::awaitable<void> HandleCompletions(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleChat(ServiceContext& context, Exchange& exchange);
// answers.cc, feedback.cc
boost::asio::awaitable<void> HandleAnswer(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleFeedback(ServiceContext& context, Exchange& exchange);
// retrieval.cc
boost::asio::awaitable<void> HandleRetrieve(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleDocumentChunks(ServiceContext& context, Exchange& exchange);
// documents.cc
boost::asio::awaitable<void> HandleAddDocuments(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleRemoveDocuments(ServiceContext& context, Exchange& exchange);
// embeddings.cc, tokens.cc
boost::asio::awaitable<void> HandleEmbeddings(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleTokenize(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleDetokenize(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleTokenizerInfo(ServiceContext& context, Exchange& exchange);
// operations.cc
boost::asio::awaitable<void> HandleModels(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleModel(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleHealth(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleReady(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleMetrics(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleVersion(ServiceContext& context, Exchange& exchange);
boost::asio::awaitable<void> HandleOpenApi(ServiceContext& context, Exchange& exchange);
// static_page.cc
boost::asio::awaitable<void> HandlePage(ServiceContext& context, Exchange& exchange);

}  // namespace retro
