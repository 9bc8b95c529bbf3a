#include "service/http/request_error.h"

#include "core/log.h"

namespace retro {
namespace {

// Long enough for a running request to end, short enough not to leave the server idle.
constexpr int kRetryAfterSeconds = 1;

std::string_view TypeOf(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "service_unavailable_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

ErrorAnswer Describe(int status, const std::string& message, const std::string& param, std::string_view code) {
  nlohmann::json named = param.empty() ? nlohmann::json() : nlohmann::json(param);
  return {status,
          {{"error", {{"message", message}, {"type", TypeOf(status)}, {"param", std::move(named)}, {"code", code}}}}};
}

ErrorAnswer DescribeOurs(const std::string& what, const std::string& request_id) {
  spdlog::error("request {}: {}", request_id, what);
  return Describe(500, fmt::format("the server failed; its log tells more under request {}", request_id), "",
                  "internal");
}

}  // namespace

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kCorruption:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

ErrorAnswer DescribeError(const std::exception_ptr& error, const std::string& request_id) {
  try {
    std::rethrow_exception(error);
  } catch (const RequestError& request_error) {
    const int status = request_error.status() != 0 ? request_error.status() : StatusOf(request_error.code());
    const std::string_view code = status == 400 ? "invalid_value" : TypeOf(status);
    const std::string& name = request_error.name();
    return Describe(status, request_error.what(), request_error.param(), name.empty() ? code : name);
  } catch (const Error& ours) {
    const int status = StatusOf(ours.code());
    if (status == 500) return DescribeOurs(ours.what(), request_id);
    return Describe(status, ours.what(), "", ErrorCodeName(ours.code()));
  } catch (const std::bad_alloc&) {
    return Describe(503, "the server is short of memory; try again later", "", "out_of_memory");
  } catch (const std::exception& foreign) {
    return DescribeOurs(foreign.what(), request_id);
  }
}

HttpReply ErrorReply(const std::exception_ptr& error, const std::string& request_id) {
  const ErrorAnswer answer = DescribeError(error, request_id);
  HttpReply reply{.status = answer.status,
                  .body = answer.body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
  if (answer.status == 429 || answer.status == 503) {
    reply.headers.emplace_back("Retry-After", std::to_string(kRetryAfterSeconds));
  }
  if (answer.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

}  // namespace retro
