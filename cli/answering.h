// What commands need that answer questions: options, and an answerer made of the parts that they name.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/open.h"
#include "service/answerer.h"

namespace retro::cli {

struct AnsweringOptions {
  DatabaseOptions database;
  std::string model;
  bool int8 = false;
  std::string adapter;
  std::optional<RetrievalMode> retrieval;  // not given: what suits the decoder
  AnswerOptions answer;
};
void AddAnsweringOptions(CLI::App& command, AnsweringOptions& options);

// options.answer with what the other options say: the search, and the retrieval that suits the decoder where none was
// asked for. An adapter is taken to be trained on what retro examples grounded makes, without the worked examples.
AnswerOptions CompleteAnswerOptions(const AnsweringOptions& options, const Decoder& decoder);

// Opens the decoder, and the database unless retrieval is off; completes options.answer from the other options.
std::unique_ptr<Answerer> OpenAnswerer(AnsweringOptions& options, ThreadPool& pool);

}  // namespace retro::cli
