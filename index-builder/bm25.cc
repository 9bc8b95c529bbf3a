#include "index-builder/bm25.h"

#include <algorithm>
#include <cmath>

namespace retro {
namespace {

constexpr double kK1 = 1.2, kB = 0.75;

}  // namespace

void TermStatistics::Add(std::span<const TokenId> document) {
  ++num_documents_;
  num_tokens_ += document.size();
  for (const TokenId token : document) {
    const auto index = static_cast<size_t>(token);
    if (index >= last_seen_.size() || last_seen_[index] == num_documents_) continue;
    last_seen_[index] = num_documents_;
    ++frequencies_[index];
  }
}

double TermStatistics::Idf(TokenId token) const {
  const auto index = static_cast<size_t>(token);
  const double with = index < frequencies_.size() ? static_cast<double>(frequencies_[index]) : 0;
  return std::log(1 + (static_cast<double>(num_documents_) - with + 0.5) / (with + 0.5));
}

double TermStatistics::mean_length() const {
  return num_documents_ == 0 ? 0 : static_cast<double>(num_tokens_) / static_cast<double>(num_documents_);
}

Bm25Query::Bm25Query(std::span<const TokenId> tokens, const TermStatistics& statistics)
    : terms_(tokens.begin(), tokens.end()), mean_length_(statistics.mean_length()) {
  std::sort(terms_.begin(), terms_.end());
  size_t count = 0;
  for (auto begin = terms_.begin(); begin != terms_.end();) {
    const TokenId term = *begin;
    const auto end = std::find_if(begin, terms_.end(), [&](TokenId token) { return token != term; });
    weights_.push_back(static_cast<double>(end - begin) * statistics.Idf(term));
    terms_[count++] = term;
    begin = end;
  }
  terms_.resize(count);
}

double Bm25Query::Score(std::span<const TokenId> document) const {
  std::vector<uint32_t> counts(terms_.size());
  for (const TokenId token : document) {
    const auto term = std::lower_bound(terms_.begin(), terms_.end(), token);
    if (term != terms_.end() && *term == token) ++counts[term - terms_.begin()];
  }
  const double length = static_cast<double>(document.size());
  const double norm = kK1 * (1 - kB + kB * (mean_length_ > 0 ? length / mean_length_ : 1));
  double score = 0;
  for (size_t i = 0; i < terms_.size(); ++i) score += weights_[i] * counts[i] * (kK1 + 1) / (counts[i] + norm);
  return score;
}

}  // namespace retro
