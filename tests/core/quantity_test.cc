#include "core/quantity.h"

#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

TEST(Quantity, CountsAreDecimal) {
  EXPECT_DOUBLE_EQ(ParseCount("1.4T", "tokens"), 1.4e12);
  EXPECT_DOUBLE_EQ(ParseCount("300 M", "tokens"), 3e8);
  EXPECT_DOUBLE_EQ(ParseCount("15B", "tokens"), 1.5e10);
  EXPECT_DOUBLE_EQ(ParseCount("2k", "tokens"), 2000);
  EXPECT_DOUBLE_EQ(ParseCount("64", "tokens"), 64);
  EXPECT_DOUBLE_EQ(ParseCount("1e9", "tokens"), 1e9);
}

TEST(Quantity, BytesHaveBothKindsOfPrefix) {
  EXPECT_DOUBLE_EQ(ParseBytes("512G", "RAM"), 512e9);
  EXPECT_DOUBLE_EQ(ParseBytes("512 GB", "RAM"), 512e9);
  EXPECT_DOUBLE_EQ(ParseBytes("80GiB", "RAM"), 80.0 * (1 << 30));
  EXPECT_DOUBLE_EQ(ParseBytes("1.5ki", "RAM"), 1536);
  EXPECT_DOUBLE_EQ(ParseBytes("100b", "RAM"), 100);
  EXPECT_DOUBLE_EQ(ParseBytes("7", "RAM"), 7);
}

TEST(Quantity, WhatIsNoneIsRefusedWithAnExample) {
  for (const char* text : {"", "T", "1.4X", "1.4TB", "-3M", "1,000", "many", "nan", "inf", "12 x"}) {
    EXPECT_ERROR(ParseCount(text, "--tokens"), ErrorCode::kInvalidArgument, "--tokens '");
  }
  for (const char* text : {"", "GB", "5Q", "5GiBB", "5Gib5", "-1G"}) {
    EXPECT_ERROR(ParseBytes(text, "--ram"), ErrorCode::kInvalidArgument, "512G");
  }
}

}  // namespace
}  // namespace retro
