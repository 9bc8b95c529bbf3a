// The one error type of the program, and the codes that tell a caller what to do next.
// Foreign exceptions (LibTorch, FAISS, RocksDB status, errno) are turned into it once, in the wrapper that met them.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace retro {

enum class ErrorCode {
  kInvalidArgument,  // the request cannot be meant so: change it
  kNotFound,         // what was named does not exist
  kCorruption,       // bytes on disk are not what they must be: restore or rebuild
  kIo,               // the system refused (space, permission, device): mend that and try again
  kUnavailable,      // not now: interrupted, overloaded, still loading
  kInternal,         // our own bug
};

std::string_view ErrorCodeName(ErrorCode code);

// The message says what failed, on which file or value, and what to do now.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

template <typename... Args>
[[noreturn]] void Throw(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// For a failed system call: `action` and `path`, then the text of `error_number` (errno).
[[noreturn]] void ThrowErrno(int error_number, std::string_view action, std::string_view path);

}  // namespace retro
