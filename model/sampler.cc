#include "model/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "model/sampler_softmax.h"

namespace retro {
namespace {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection that spreads every input bit.
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

void SamplingOptions::Validate() const {
  const auto check = [](bool valid, const char* name, float value, const char* range) {
    if (!valid) Throw(ErrorCode::kInvalidArgument, "{} is {}: it must be {}", name, value, range);
  };
  check(temperature >= 0 && std::isfinite(temperature), "temperature", temperature, "0 (greedy) or more");
  if (top_k < 0) Throw(ErrorCode::kInvalidArgument, "top_k is {}: it must be 0 (all tokens) or more", top_k);
  check(top_p > 0 && top_p <= 1, "top_p", top_p, "above 0 and at most 1");
  check(min_p >= 0 && min_p <= 1, "min_p", min_p, "from 0 to 1");
  check(repetition_penalty > 0 && std::isfinite(repetition_penalty), "repetition_penalty", repetition_penalty,
        "above 0 (1: off)");
  if (repetition_window < -1) {
    Throw(ErrorCode::kInvalidArgument, "repetition_window is {}: it must be -1 (all tokens) or more",
          repetition_window);
  }
}

Sampler::Sampler(const SamplingOptions& options, uint64_t sequence)
    : options_(options), stream_(Mix(Mix(options.seed) + sequence)) {
  options_.Validate();
}

TokenId Sampler::Sample(std::span<const float> logits, std::span<const TokenId> context) {
  logits = Penalize(logits, context);
  if (options_.temperature == 0) return MostProbable(logits);
  weights_.resize(logits.size());
  const double total = SoftmaxWeights(logits, options_.temperature, weights_);
  const bool limited = options_.top_k > 0 && static_cast<size_t>(options_.top_k) < logits.size();
  if (!limited && options_.top_p == 1 && options_.min_p == 0) return DrawFromAll(total);
  candidates_.clear();
  if (limited) {
    SelectBest(options_.top_k);
  } else if (options_.top_p == 1) {
    SelectAbove(options_.min_p);
  }
  if (options_.top_p < 1) SelectTopP(total);
  // Every filter keeps a first part of the same order, so what min_p leaves out is at the end.
  while (candidates_.size() > 1 && candidates_.back().weight < options_.min_p) candidates_.pop_back();
  return DrawFromCandidates();
}

std::span<const float> Sampler::Penalize(std::span<const float> logits, std::span<const TokenId> context) {
  const int window = options_.repetition_window;
  if (options_.repetition_penalty == 1 || window == 0 || context.empty()) return logits;
  if (window > 0 && context.size() > static_cast<size_t>(window)) context = context.last(window);
  penalized_.assign(logits.begin(), logits.end());
  for (const TokenId token : context) {
    const float logit = logits[token];  // from the original, so that a token that occurs twice is penalized once
    penalized_[token] = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
  }
  return penalized_;
}

// Without filters there is nothing to put in order: the distribution is walked by token id.
TokenId Sampler::DrawFromAll(double total) {
  double left = NextUniform() * total;
  TokenId last_possible = 0;
  for (size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] == 0) continue;
    last_possible = static_cast<TokenId>(i);
    left -= weights_[i];
    if (left < 0) break;
  }
  return last_possible;
}

// The `count` heaviest tokens in order, equal ones by id.
void Sampler::SelectBest(size_t count) {
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
  };
  // Few: a heap of the best so far, which hardly any token enters. Many: all of them, parted.
  const bool few = count < weights_.size() / 16;
  candidates_.clear();
  for (size_t i = 0; i < (few ? count : weights_.size()); ++i) {
    candidates_.push_back({weights_[i], static_cast<TokenId>(i)});
  }
  if (!few) {
    std::nth_element(candidates_.begin(), candidates_.begin() + (count - 1), candidates_.end(), better);
    candidates_.resize(count);
    std::sort(candidates_.begin(), candidates_.end(), better);
    return;
  }
  std::make_heap(candidates_.begin(), candidates_.end(), better);
  for (size_t i = count; i < weights_.size(); ++i) {
    if (weights_[i] <= candidates_.front().weight) continue;  // of equal ones the heap has the lower ids
    std::pop_heap(candidates_.begin(), candidates_.end(), better);
    candidates_.back() = {weights_[i], static_cast<TokenId>(i)};
    std::push_heap(candidates_.begin(), candidates_.end(), better);
  }
  std::sort_heap(candidates_.begin(), candidates_.end(), better);
}

void Sampler::SelectAbove(float weight) {
  candidates_.clear();
  for (size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] >= weight) candidates_.push_back({weights_[i], static_cast<TokenId>(i)});
  }
}

// Of the candidates, or without any of all tokens, whose weights add up to `total`. Mostly a few dozen tokens hold the
// mass, so the whole vocabulary is put in order only when they do not.
void Sampler::SelectTopP(double total) {
  const bool from_all = candidates_.empty();
  if (!from_all) {
    total = 0;
    for (const Candidate& candidate : candidates_) total += candidate.weight;
  }
  for (size_t count = 64;; count *= 8) {
    if (from_all) SelectBest(std::min(count, weights_.size()));
    double mass = 0;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      mass += candidates_[i].weight;
      if (mass >= options_.top_p * total) return candidates_.resize(i + 1);
    }
    if (!from_all || candidates_.size() == weights_.size()) return;  // rounding: all of them
  }
}

TokenId Sampler::DrawFromCandidates() {
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  double left = NextUniform() * total;
  for (const Candidate& candidate : candidates_) {
    left -= candidate.weight;
    if (left < 0) return candidate.token;
  }
  return candidates_.back().token;
}

// In [0, 1), 53 bits.
double Sampler::NextUniform() { return static_cast<double>(Mix(stream_ + num_choices_++) >> 11) * 0x1p-53; }

TokenId MostProbable(std::span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  size_t best = 0;
  bool bad = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    bad |= !(logits[i] < kInfinity);  // NaN is below nothing
    if (logits[i] > logits[best]) best = i;
  }
  if (bad || logits[best] == -kInfinity) ThrowNotFinite();
  return static_cast<TokenId>(best);
}

}  // namespace retro
