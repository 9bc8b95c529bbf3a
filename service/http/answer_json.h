// Answers as the API shows them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "datasets/tokenizer.h"
#include "service/answer_draft.h"

namespace retro {

// The first event of a stream: sources without what is known only at the end.
nlohmann::json SourcesEventJson(const std::string& id, const AnswerDraft& draft);

// All but what the answer itself does not know: id, question, model, retrieval, timing. `tokens`: what the decoder
// wrote.
nlohmann::json AnswerJson(const Answer& answer, const std::vector<TokenId>& tokens, const Tokenizer& tokenizer);

}  // namespace retro
