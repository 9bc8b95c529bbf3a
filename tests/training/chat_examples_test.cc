#include "training/chat_examples.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/testing/expect_error.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"
#include "tests/training/chat_tokenizer.h"

namespace retro {
namespace {

struct File {
  TempDir folder;
  ChatTokenizer tokenizer;

  ChatExamples Read(const std::string& lines, const ChatExampleOptions& options = {}) const {
    WriteText(folder / "examples.jsonl", lines);
    return ReadChatExamples(folder / "examples.jsonl", ChatMl(), tokenizer, options);
  }
  // What is learned, with "|" between tokens that do not follow one another and "$" for the end of a turn.
  static std::string Learned(const ChatExample& example) {
    std::string text;
    for (size_t i = 0; i < example.tokens.size(); ++i) {
      if (!example.learned[i]) {
        if (!text.empty() && text.back() != '|') text += '|';
      } else if (example.tokens[i] == ChatTokenizer::kEnd) {
        text += '$';
      } else {
        text += static_cast<char>(example.tokens[i]);
      }
    }
    return text;
  }
};

TEST(ChatExamples, ThreeKindsOfLinesAreRead) {
  const ChatExamples read = File().Read(
      R"({"prompt": "Q", "response": "A one"})"
      "\n\n"
      R"({"instruction": "Do", "input": "this", "response": "A two", "system": "Be kind."})"
      "\r\n"
      R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A three"}], "id": 7})");
  ASSERT_EQ(read.train.size(), 3u);
  EXPECT_TRUE(read.report.Summary().empty());
  EXPECT_EQ(File::Learned(read.train[0]), "A one$");
  EXPECT_EQ(File::Learned(read.train[1]), "A two$");
  EXPECT_EQ(File::Learned(read.train[2]), "A three$");
  const ChatTokenizer tokenizer;
  const std::vector<ChatMessage> said = {{"system", "Be kind."}, {"user", "Do\n\nthis"}};
  const auto prompt = ChatMl().Render(said, true, tokenizer);
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), read.train[1].tokens.begin()));
  EXPECT_EQ(read.train[1].tokens.size(), prompt.size() + 6);
}

TEST(ChatExamples, EveryReplyIsLearnedButThoseOfWeightZero) {
  const std::string line =
      R"({"messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "a", "weight": 0},
      {"role": "user", "content": "2"}, {"role": "assistant", "content": "b", "weight": 1},
      {"role": "user", "content": "3"}, {"role": "assistant", "content": "c"}, {"role": "user", "content": "4"}]})";
  std::string one_line;
  for (const char c : line) one_line += c == '\n' ? ' ' : c;
  EXPECT_EQ(File::Learned(File().Read(one_line).train.at(0)), "b$|c$");  // ends with what is learned last
}

TEST(ChatExamples, WhatCannotBeUsedIsCountedByKind) {
  const ChatExamples read = File().Read(
      "{\"prompt\": \"Q\", \"response\": \"A\"}\n"
      "{\"prompt\": \n"
      "[1]\n"
      "{\"text\": \"only\"}\n"
      "{\"prompt\": \"Q\", \"response\": \"  \"}\n"
      "{\"messages\": [{\"role\": \"wizard\", \"content\": \"x\"}, {\"role\": \"assistant\", \"content\": \"y\"}]}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}\n");
  EXPECT_EQ(read.train.size(), 1u);
  EXPECT_EQ(read.report.problems.at("bad JSON").count, 2u);
  EXPECT_EQ(read.report.problems.at("unknown fields").count, 1u);
  EXPECT_EQ(read.report.problems.at("empty response").count, 1u);
  EXPECT_EQ(read.report.problems.at("bad conversation").count, 2u);
}

TEST(ChatExamples, LongOnesAreDroppedOrCutAsAsked) {
  const std::string lines = "{\"prompt\": \"Q\", \"response\": \"" + std::string(100, 'a') +
                            "\"}\n{\"prompt\": \"Q\", \"response\": \"b\"}\n{\"prompt\": \"" + std::string(100, 'q') +
                            "\", \"response\": \"c\"}\n";
  ChatExampleOptions options{.max_tokens = 60};
  const ChatExamples dropped = File().Read(lines, options);
  ASSERT_EQ(dropped.train.size(), 1u);
  EXPECT_EQ(dropped.report.problems.at("too long").count, 2u);
  options.long_examples = LongExamples::kCut;
  const ChatExamples cut = File().Read(lines, options);
  ASSERT_EQ(cut.train.size(), 2u);
  EXPECT_EQ(cut.cut, 1u);
  EXPECT_EQ(cut.train[0].tokens.size(), 60u);
  EXPECT_EQ(cut.report.problems.at("too long even cut").count, 1u);
}

TEST(ChatExamples, ThePartOfAnExampleFollowsFromWhatIsSaid) {
  std::string lines, reversed;
  for (int i = 0; i < 400; ++i) {
    const std::string line = "{\"prompt\": \"" + std::to_string(i % 200) + "\", \"response\": \"A\"}\n";
    lines += line;
    reversed = line + reversed;
  }
  const ChatExampleOptions options{.valid_fraction = 0.3};
  const ChatExamples read = File().Read(lines, options), again = File().Read(reversed, options);
  EXPECT_NEAR(static_cast<double>(read.valid.size()), 120, 40);
  const auto texts = [](const std::vector<ChatExample>& part) {
    std::multiset<std::vector<TokenId>> all;
    for (const ChatExample& example : part) all.insert(example.tokens);
    return all;
  };
  EXPECT_EQ(texts(read.valid), texts(again.valid));
  for (const auto& tokens : texts(read.train)) EXPECT_FALSE(texts(read.valid).contains(tokens));
}

TEST(ChatExamples, AFileWithoutOneIsRefused) {
  EXPECT_ERROR(File().Read("{\"text\": \"x\"}\n"), ErrorCode::kInvalidArgument, "unknown fields");
  EXPECT_ERROR(File().Read(""), ErrorCode::kInvalidArgument, "no example to train on");
}

}  // namespace
}  // namespace retro
