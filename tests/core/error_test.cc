#include "core/error.h"

#include <cerrno>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

TEST(Error, CarriesItsCodeAndTheFormattedMessage) {
  EXPECT_ERROR(Throw(ErrorCode::kCorruption, "{} has {} records", "db/vectors", 7), ErrorCode::kCorruption,
               "db/vectors has 7 records");
}

TEST(Error, OfASystemCallNamesActionPathReasonAndWhatToDo) {
  EXPECT_ERROR(ThrowErrno(ENOSPC, "write", "db/x"), ErrorCode::kIo,
               "cannot write db/x: No space left on device; free some space there");
  EXPECT_ERROR(ThrowErrno(ENOENT, "open", "db/x"), ErrorCode::kNotFound, "cannot open db/x: No such file or directory");
  EXPECT_ERROR(ThrowErrno(EACCES, "open", "db/x"), ErrorCode::kIo, "check its owner and permissions");
  EXPECT_ERROR(ThrowErrno(EMFILE, "open", "db/x"), ErrorCode::kIo, "ulimit -n");
}

TEST(Error, EveryCodeHasAName) {
  for (const auto code : {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kCorruption, ErrorCode::kIo,
                          ErrorCode::kUnavailable, ErrorCode::kInternal}) {
    EXPECT_NE(ErrorCodeName(code), "unknown");
  }
}

}  // namespace
}  // namespace retro
