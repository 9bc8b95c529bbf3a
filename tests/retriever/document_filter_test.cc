#include "retriever/document_filter.h"

#include <gtest/gtest.h>

#include "datasets/corpus.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

DocumentInfo Dated(const std::string& date) {
  return {.id = "a", .title = "", .source = "", .url = "", .licence = "", .date = date};
}

bool LiesWithin(const std::string& date, const std::string& from, const std::string& to) {
  DocumentFilter filter;
  filter.date_from = from;
  filter.date_to = to;
  return filter.Accepts(Dated(date));
}

TEST(DocumentFilter, KnowsDatesOfThreeLengths) {
  for (const char* date : {"2024", "2024-05", "2024-05-17", "2024-05-17T08:30:00Z", "2024-05-17 08:30", "0001-12-31"}) {
    EXPECT_TRUE(IsDate(date)) << date;
  }
  for (const char* text : {"", "24", "2024-", "2024-5", "2024-13", "2024-00", "2024-05-32", "2024-05-00", "2024-05-1",
                           "17.05.2024", "2024-05-17x", "2024/05/17", "May 2024", "20240517"}) {
    EXPECT_FALSE(IsDate(text)) << text;
  }
}

TEST(DocumentFilter, BoundsOfDatesAreIncluded) {
  EXPECT_TRUE(LiesWithin("2024-05-17", "2024-05-17", "2024-05-17"));
  EXPECT_TRUE(LiesWithin("2024-05-17T23:59:59Z", "2024-05-17", "2024-05-17"));
  EXPECT_FALSE(LiesWithin("2024-05-16", "2024-05-17", ""));
  EXPECT_FALSE(LiesWithin("2024-05-18", "", "2024-05-17"));
}

TEST(DocumentFilter, TheLessExactDateDecides) {
  EXPECT_TRUE(LiesWithin("2024-12-31", "2024", "2024"));
  EXPECT_TRUE(LiesWithin("2024", "2024-05", "2024-06"));
  EXPECT_TRUE(LiesWithin("2024-05", "2024-05-31", ""));
  EXPECT_FALSE(LiesWithin("2023", "2024-05", ""));
  EXPECT_FALSE(LiesWithin("2025-01", "", "2024"));
}

TEST(DocumentFilter, WhatHasNoDateLiesNowhere) {
  EXPECT_FALSE(LiesWithin("", "1000", ""));
  EXPECT_FALSE(LiesWithin("long ago", "", "3000"));
  EXPECT_TRUE(LiesWithin("", "", ""));
}

TEST(DocumentFilter, EveryListThatIsNotEmptyMustAgree) {
  DocumentFilter filter;
  EXPECT_TRUE(filter.empty());
  filter.documents = {"a", "b"};
  filter.sources = {"wiki"};
  EXPECT_FALSE(filter.empty());
  DocumentInfo document = Dated("");
  EXPECT_FALSE(filter.Accepts(document));
  document.source = "wiki";
  EXPECT_TRUE(filter.Accepts(document));
  document.id = "c";
  EXPECT_FALSE(filter.Accepts(document));
}

TEST(DocumentFilter, RefusesABoundThatIsNoDate) {
  DocumentFilter filter;
  filter.date_to = "tomorrow";
  EXPECT_ERROR(filter.Validate(), ErrorCode::kInvalidArgument, "tomorrow");
}

}  // namespace
}  // namespace retro
