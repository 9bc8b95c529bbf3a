// What a client is told when a request fails: OpenAI's error object, and the one place where codes become HTTP
// statuses.
#pragma once

#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "service/http/message.h"

namespace retro {

// An error with more to say than its code: the field that is wrong, or a status of its own.
class RequestError : public Error {
 public:
  // The field `param` of the request cannot be meant so.
  RequestError(const std::string& param, const std::string& message)
      : Error(ErrorCode::kInvalidArgument, message), param_(param) {}
  RequestError(int status, const std::string& message) : Error(ErrorCode::kUnavailable, message), status_(status) {}
  // One that OpenAI's API has a name of its own for.
  RequestError(int status, const std::string& param, const std::string& name, const std::string& message)
      : Error(ErrorCode::kUnavailable, message), param_(param), name_(name), status_(status) {}

  const std::string& param() const { return param_; }  // empty: none
  const std::string& name() const { return name_; }    // empty: that of the status
  int status() const { return status_; }               // 0: what the code says

 private:
  std::string param_, name_;
  int status_ = 0;
};

template <typename... Args>
[[noreturn]] void RefuseField(const std::string& param, fmt::format_string<Args...> format, Args&&... args) {
  throw RequestError(param, fmt::format(format, std::forward<Args>(args)...));
}

int StatusOf(ErrorCode code);

// {"error": {"message", "type", "param", "code"}} and the status for it. What is our own fault goes to the log under
// `request_id`, and the client is told that alone.
struct ErrorAnswer {
  int status;
  nlohmann::json body;
};
ErrorAnswer DescribeError(const std::exception_ptr& error, const std::string& request_id);

// The same as a reply; 429 and 503 say when to try again.
HttpReply ErrorReply(const std::exception_ptr& error, const std::string& request_id);

}  // namespace retro
