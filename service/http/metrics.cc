#include "service/http/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace retro {
namespace {

using prometheus::Histogram;

const Histogram::BucketBoundaries kShortTimes = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10};
const Histogram::BucketBoundaries kFirstTokenTimes = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5,
                                                      0.75,  1,     2.5,  5,    7.5,  10,   20,   40,  80,   160};
const Histogram::BucketBoundaries kRequestTimes = {0.05, 0.1, 0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,
                                                   10,   15,  20,  30,  40,  50, 60,  120, 240, 480};

}  // namespace

struct Metrics::State {
  prometheus::Counter& NewCounter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
  }
  prometheus::Gauge& NewGauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
  }
  Histogram& NewHistogram(const char* name, const char* help, const Histogram::BucketBoundaries& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
  }

  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& http_requests = prometheus::BuildCounter()
                                                               .Name("retro_http_requests_total")
                                                               .Help("Requests by route and status (0: no reply)")
                                                               .Register(registry);
  prometheus::Family<prometheus::Counter>& rejections = prometheus::BuildCounter()
                                                            .Name("retro_admission_rejections_total")
                                                            .Help("Requests refused by a limit")
                                                            .Register(registry);
  prometheus::Family<prometheus::Counter>& successes = prometheus::BuildCounter()
                                                           .Name("retro_request_success_total")
                                                           .Help("Sequences that came to their end")
                                                           .Register(registry);
  prometheus::Counter& cancelled = NewCounter("retro_cancelled_total", "Requests whose client went away");
  prometheus::Counter& prompt_tokens = NewCounter("retro_prompt_tokens_total", "Tokens of finished prompts");
  prometheus::Counter& generation_tokens = NewCounter("retro_generation_tokens_total", "Tokens generated for them");
  Histogram& http_seconds = NewHistogram("retro_http_request_seconds", "From body to end of the reply", kRequestTimes);
  Histogram& first_token =
      NewHistogram("retro_time_to_first_token_seconds", "From the engine's queue to the first token", kFirstTokenTimes);
  Histogram& latency =
      NewHistogram("retro_e2e_request_latency_seconds", "From the engine's queue to the last token", kRequestTimes);
  Histogram& retrieval =
      NewHistogram("retro_retrieval_seconds", "Embedding of a question, search and fetching", kShortTimes);
  Histogram& embed = NewHistogram("retro_embed_seconds", "Batches of /v1/embeddings", kShortTimes);
  prometheus::Gauge& http_running = NewGauge("retro_http_requests_running", "Requests at work");
  prometheus::Gauge& running = NewGauge("retro_num_requests_running", "Sequences that the engine decodes");
  prometheus::Gauge& waiting = NewGauge("retro_num_requests_waiting", "Sequences that wait for the engine");
  prometheus::Gauge& cache_usage = NewGauge("retro_kv_cache_usage_perc", "Share of the cache in use, 1: all");
  prometheus::Gauge& prefix_hits = NewGauge("retro_prefix_cache_hits", "Prompts that found a cached beginning");
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::RequestEnded(const std::string& route, int status, double seconds) {
  state_->http_requests.Add({{"route", route}, {"status", std::to_string(status)}}).Increment();
  state_->http_seconds.Observe(seconds);
  if (status == 429 || status == 503) Rejected(status);
}

void Metrics::Cancelled() { state_->cancelled.Increment(); }

void Metrics::Rejected(int status) {
  state_->rejections.Add({{"reason", status == 429 ? "client" : "full"}}).Increment();
}

void Metrics::FirstToken(double seconds) { state_->first_token.Observe(seconds); }

void Metrics::SequenceFinished(FinishReason reason, double seconds, int64_t prompt_tokens, int64_t generated_tokens) {
  state_->successes.Add({{"finished_reason", std::string(FinishReasonName(reason))}}).Increment();
  state_->latency.Observe(seconds);
  state_->prompt_tokens.Increment(static_cast<double>(prompt_tokens));
  state_->generation_tokens.Increment(static_cast<double>(generated_tokens));
}

void Metrics::Retrieved(double seconds) { state_->retrieval.Observe(seconds); }
void Metrics::Embedded(double seconds) { state_->embed.Observe(seconds); }

std::string Metrics::Text(const EngineStats& engine, int requests) {
  state_->http_running.Set(requests);
  state_->running.Set(static_cast<double>(engine.running));
  state_->waiting.Set(static_cast<double>(engine.waiting));
  const double capacity = static_cast<double>(std::max<int64_t>(engine.cache_capacity, 1));
  state_->cache_usage.Set(static_cast<double>(engine.cached_tokens) / capacity);
  state_->prefix_hits.Set(static_cast<double>(engine.prefix_hits));
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace retro
