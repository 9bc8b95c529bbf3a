#include "core/error.h"

#include <cerrno>
#include <cstring>

namespace retro {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kCorruption:
      return "corruption";
    case ErrorCode::kIo:
      return "input/output error";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kInternal:
      return "internal error";
  }
  return "unknown";
}

namespace {

// What a person can do about it, where that is plain.
std::string_view Advice(int error_number) {
  switch (error_number) {
    case ENOENT:
      return "; check the path";
    case ENOSPC:
    case EDQUOT:
      return "; free some space there and run the command again";
    case EFBIG:
      return "; raise the limit on file sizes (ulimit -f) or choose another file system";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; check its owner and permissions, or name another place";
    case EMFILE:
    case ENFILE:
      return "; raise the limit on open files (ulimit -n)";
    default:
      return "";
  }
}

}  // namespace

void ThrowErrno(int error_number, std::string_view action, std::string_view path) {
  const ErrorCode code = error_number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  Throw(code, "cannot {} {}: {}{}", action, path, std::strerror(error_number), Advice(error_number));
}

}  // namespace retro
