#include "service/http/parse_request.h"

#include <atomic>
#include <charconv>
#include <random>

#include "core/utf8.h"
#include "service/http/request_error.h"

namespace retro {
namespace {

namespace http = boost::beast::http;

std::string NewRequestId() {
  static const uint32_t process = std::random_device{}();
  static std::atomic<uint64_t> number{0};
  return fmt::format("req-{:08x}-{}", process, ++number);
}

std::string Field(const RequestHeader& header, http::field name) { return std::string(header[name]); }

void SplitTarget(std::string_view target, HttpRequest& request) {
  if (!target.starts_with('/')) throw RequestError(400, "the request's target must begin with /");
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  std::string_view path = target.substr(1, mark == std::string_view::npos ? mark : mark - 1);
  while (!path.empty()) {
    const size_t end = path.find('/');
    request.path.push_back(PercentDecode(path.substr(0, end)));
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  if (mark == std::string_view::npos) return;
  for (std::string_view query = target.substr(mark + 1); !query.empty();) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    const std::string_view value = equals == std::string_view::npos ? "" : pair.substr(equals + 1);
    request.query.emplace_back(PercentDecode(pair.substr(0, equals)), PercentDecode(value));
  }
}

}  // namespace

std::string PercentDecode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned value = 0;
    const char* first = text.data() + i + 1;
    const bool whole = i + 2 < text.size();
    if (!whole || std::from_chars(first, first + 2, value, 16).ptr != first + 2 || value == 0) {
      throw RequestError(400, "the request's target has a broken percent escape");
    }
    decoded += static_cast<char>(value);
    i += 2;
  }
  if (!IsValidUtf8(decoded)) throw RequestError(400, "the request's target is not UTF-8");
  return decoded;
}

bool HasPlainFraming(const RequestHeader& header) {
  const auto [first, last] = header.equal_range(http::field::transfer_encoding);
  if (first == last) return true;
  return std::next(first) == last && header.version() >= 11 && boost::beast::iequals(first->value(), "chunked");
}

void TakeHeader(const RequestHeader& header, const HttpLimits& limits, HttpRequest& request) {
  request.id = NewRequestId();
  request.method = std::string(header.method_string());
  request.content_type = Field(header, http::field::content_type);
  request.authorization = Field(header, http::field::authorization);
  request.origin = Field(header, http::field::origin);
  request.if_none_match = Field(header, http::field::if_none_match);
  if (std::distance(header.begin(), header.end()) > limits.headers) {
    throw RequestError(431, fmt::format("more than {} header fields", limits.headers));
  }
  if (!HasPlainFraming(header)) {
    throw RequestError(400, "a body's only Transfer-Encoding may be chunked, by HTTP/1.1");
  }
  SplitTarget({header.target().data(), header.target().size()}, request);
}

bool ExpectsContinue(const RequestHeader& header) {
  return boost::beast::iequals(header[http::field::expect], "100-continue");
}

std::exception_ptr DescribeReadError(boost::system::error_code error, const HttpLimits& limits) {
  if (error == http::error::header_limit) {
    return std::make_exception_ptr(
        RequestError(431, fmt::format("the header is longer than {} bytes", limits.header_bytes)));
  }
  if (error == http::error::body_limit) {
    return std::make_exception_ptr(
        RequestError(413, fmt::format("the body is longer than {} bytes, or comes in more than {} chunks",
                                      limits.body_bytes, limits.body_chunks)));
  }
  if (error.category() == http::make_error_code(http::error::bad_method).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return std::make_exception_ptr(RequestError(400, "not a request of HTTP: " + error.message()));
  }
  return nullptr;
}

ChunkCounter::ChunkCounter(int most) : left_(most) {
  callback_ = [this](std::uint64_t, boost::beast::string_view, boost::system::error_code& error) {
    if (--left_ < 0) error = http::error::body_limit;
  };
}

}  // namespace retro
