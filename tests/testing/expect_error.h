// Asserts that a statement throws Error with a code and with a text in its message.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

#define EXPECT_ERROR(statement, expected_code, text)                      \
  do {                                                                    \
    bool thrown = false;                                                  \
    try {                                                                 \
      statement;                                                          \
    } catch (const ::retro::Error& error) {                               \
      thrown = true;                                                      \
      EXPECT_EQ(error.code(), expected_code) << error.what();             \
      EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr(text)); \
    }                                                                     \
    EXPECT_TRUE(thrown) << #statement " did not throw";                   \
  } while (false)
