// Whoever builds, in whatever shares and order, the database is that of one process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/staged_folder.h"
#include "index-builder/verify_index.h"
#include "tests/index-builder/test_database.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/thread_ranks.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// Two chunk blocks, 21 of embeddings and of codes.
const IndexOptions kStagedOptions{.chunk_len = 8, .factory = "IVF8,PQ16x4fs", .block_chunks = 16};
constexpr BuildStage kStages[] = {BuildStage::kCorpus, BuildStage::kChunks, BuildStage::kEmbed, BuildStage::kTrain,
                                  BuildStage::kEncode};

// With the checksums in the manifest.
std::map<std::string, std::string> AllOf(const fs::path& folder) {
  auto contents = Contents(folder);
  contents["checksums"] = Manifest::Load(folder, "retrieval database").counts.at("contents").dump();
  return contents;
}

struct StagedDatabase : TestDatabase {
  StagedDatabase() : TestDatabase(20, 20) {}

  void Stage(BuildStage stage, const BuildShare& share, IndexOptions options = kStagedOptions) {
    BuildIndexStage({input()}, tokenizer, *embedder, out(), options, stage, share, pool);
  }

  std::map<std::string, std::string> Unbroken(const IndexOptions& options = kStagedOptions) {
    Build(folder / "unbroken", options);
    return AllOf(folder / "unbroken");
  }

  // What a build with these options does.
  std::set<std::string> Steps(IndexOptions options) {
    std::set<std::string> steps;
    options.on_step = [&](std::string_view step) { steps.emplace(step); };
    Build(options);
    return steps;
  }

  // Builds up to the manifest, so that all blocks are there.
  void BuildAlmost(IndexOptions options) {
    options.on_step = [](std::string_view step) {
      if (step == "manifest") throw std::string(step);
    };
    EXPECT_THROW(Build(options), std::string);
    fs::remove(staging() / "manifest.json");
  }
};

TEST(BuildStages, WorkersMakeWhatOneProcessMakes) {
  StagedDatabase test;
  const auto expected = test.Unbroken();
  for (const BuildStage stage : kStages) {
    for (const uint32_t index : {2, 0, 1}) test.Stage(stage, {index, 3});
  }
  const std::set<std::string> steps = test.Steps(kStagedOptions);
  EXPECT_THAT(steps, testing::UnorderedElementsAre("corpus", "chunks", "index", "recall", "manifest"));
  EXPECT_EQ(AllOf(test.out()), expected);
  EXPECT_TRUE(VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool)["ok"]);
}

TEST(BuildStages, WhatWorkersLeftIsMadeByTheLastBuild) {
  StagedDatabase test;
  const auto expected = test.Unbroken();
  test.Stage(BuildStage::kCorpus, {});
  test.Stage(BuildStage::kEmbed, {1, 2});
  test.Stage(BuildStage::kChunks, {0, 2});
  const std::set<std::string> steps = test.Steps(kStagedOptions);
  EXPECT_TRUE(steps.contains("block 0"));
  EXPECT_FALSE(steps.contains("block 1"));
  EXPECT_FALSE(steps.contains("chunk block 0"));
  EXPECT_TRUE(steps.contains("chunk block 1"));
  EXPECT_EQ(AllOf(test.out()), expected);
}

TEST(BuildStages, AWorkerMakesItsShareAlone) {
  StagedDatabase test;
  test.Stage(BuildStage::kCorpus, {});
  std::set<std::string> steps;
  IndexOptions options = kStagedOptions;
  options.on_step = [&](std::string_view step) { steps.emplace(step); };
  test.Stage(BuildStage::kEmbed, {1, 10}, options);
  EXPECT_THAT(steps, testing::UnorderedElementsAre("block 1", "block 11"));
  steps.clear();
  test.Stage(BuildStage::kEmbed, {1, 10}, options);
  EXPECT_TRUE(steps.empty());
}

TEST(BuildStages, AnyNumberOfThreadsMakesTheSameBytes) {
  StagedDatabase test;
  const auto expected = test.Unbroken();
  for (const size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    const fs::path out = test.folder / std::to_string(threads);
    BuildIndex({test.input()}, test.tokenizer, *test.embedder, out, kStagedOptions, pool);
    EXPECT_EQ(AllOf(out), expected) << threads;
  }
}

TEST(BuildStages, RanksMakeTheSameBytes) {
  StagedDatabase test;
  const auto expected = test.Unbroken();
  for (const int num_ranks : {2, 3}) {
    const fs::path out = test.folder / std::to_string(num_ranks);
    ThreadRanks(num_ranks).Run([&](Communicator& ranks) {
      ThreadPool pool(1);
      const Manifest made =
          BuildIndex({test.input()}, test.tokenizer, *test.embedder, out, kStagedOptions, pool, ranks);
      EXPECT_TRUE(made.HasStage("manifest"));
      BuildIndex({test.input()}, test.tokenizer, *test.embedder, out, kStagedOptions, pool, ranks);  // nothing to do
    });
    EXPECT_EQ(AllOf(out), expected) << num_ranks;
  }
}

// FAISS alone trains these graphs and rotations by as many threads as there are, and differently by each number.
TEST(BuildStages, RanksTrainGraphsOfCentroidsAndRotationsToTheSameBytes) {
  StagedDatabase test;
  for (const std::string factory : {"IVF8_HNSW8,PQ16x4fs", "PCA16,IVF8,PQ8x4fs"}) {
    IndexOptions options = kStagedOptions;
    options.factory = factory;
    const auto expected = test.Unbroken(options);
    const fs::path out = test.folder / factory;
    ThreadRanks(3).Run([&](Communicator& ranks) {
      ThreadPool pool(2);
      BuildIndex({test.input()}, test.tokenizer, *test.embedder, out, options, pool, ranks);
    });
    EXPECT_EQ(AllOf(out), expected) << factory;
    fs::remove_all(test.folder / "unbroken");
  }
}

TEST(BuildStages, IndexesWithoutListsOrTrainingAreBuiltByWorkersToo) {
  StagedDatabase test;
  for (const std::string factory : {"Flat", "SQ8", "HNSW8"}) {
    IndexOptions options = kStagedOptions;
    options.factory = factory;
    const auto expected = test.Unbroken(options);
    for (const BuildStage stage : kStages) {
      for (const uint32_t index : {0, 1}) test.Stage(stage, {index, 2}, options);
    }
    test.Build(options);
    auto made = AllOf(test.out()), wanted = expected;
    if (factory == "HNSW8") {  // threads race for the graph's links
      made.erase("checksums");
      wanted.erase("checksums");
    }
    EXPECT_EQ(made, wanted) << factory;
  }
}

TEST(BuildStages, AChangedOptionRemakesWhatDependsOnItAlone) {
  StagedDatabase test;
  test.BuildAlmost(kStagedOptions);
  IndexOptions options = kStagedOptions;
  options.target_recall = 0.5;
  test.BuildAlmost(options);
  EXPECT_FALSE(fs::exists(test.out()));

  options.factory = "IVF4,PQ16x4fs";
  std::set<std::string> steps;
  options.on_step = [&](std::string_view step) {
    steps.emplace(step);
    if (step == "manifest") throw std::string(step);
  };
  EXPECT_THROW(test.Build(options), std::string);
  EXPECT_TRUE(steps.contains("trained") && steps.contains("code block 0") && steps.contains("recall"));
  EXPECT_FALSE(steps.contains("block 0") || steps.contains("chunk block 0") || steps.contains("chunks"));

  steps.clear();
  test.embedder = MakeHashingEmbedder(5);
  EXPECT_THROW(test.Build(options), std::string);
  EXPECT_TRUE(steps.contains("block 0") && steps.contains("trained") && steps.contains("index"));
  EXPECT_FALSE(steps.contains("chunk block 0") || steps.contains("chunks"));

  options.on_step = nullptr;
  test.Build(options);
  EXPECT_EQ(AllOf(test.out()), test.Unbroken(options));
}

TEST(BuildStages, DocumentsAddedAtTheEndLeaveTheBlocksBeforeThemAsTheyAre) {
  StagedDatabase test;
  test.BuildAlmost(kStagedOptions);
  WriteText(test.input(), RandomDocuments(25, 20));
  const std::set<std::string> steps = test.Steps(kStagedOptions);
  EXPECT_FALSE(steps.contains("block 0") || steps.contains("block 20") || steps.contains("chunk block 0"));
  EXPECT_TRUE(steps.contains("trained") && steps.contains("chunks"));
  EXPECT_EQ(AllOf(test.out()), test.Unbroken());
}

TEST(BuildStages, AStageWhoseInputIsMissingSaysWhatToRun) {
  StagedDatabase test;
  EXPECT_ERROR(test.Stage(BuildStage::kEmbed, {}), ErrorCode::kNotFound, "--stage corpus");
  test.Stage(BuildStage::kCorpus, {});
  test.Stage(BuildStage::kEmbed, {0, 2});
  EXPECT_ERROR(test.Stage(BuildStage::kTrain, {}), ErrorCode::kNotFound, "--stage embed");
  EXPECT_ERROR(test.Stage(BuildStage::kEncode, {}), ErrorCode::kNotFound, "--stage train");
  EXPECT_ERROR(test.Stage(BuildStage::kEmbed, {2, 2}), ErrorCode::kInvalidArgument, "share 2 of 2");
}

TEST(BuildStages, WorkersAndAWholeBuildKeepOutOfEachOthersWay) {
  StagedDatabase test;
  {
    const StagedFolderWorker one(test.out()), another(test.out());
    EXPECT_ERROR(test.Build(kStagedOptions), ErrorCode::kUnavailable, "db.building");
  }
  const StagedFolder whole(test.out(), StagedFolder::Unpublished::kRemove);
  EXPECT_ERROR(test.Stage(BuildStage::kCorpus, {}), ErrorCode::kUnavailable, "db.building");
}

TEST(BuildStages, ABlockThatAnotherWorkerHasInHandIsLeftToIt) {
  StagedDatabase test;
  const BuildBlock block(test.folder / "blocks", "kind", 3, {{"text", 1}});
  const BlockMaker one(block);
  EXPECT_ERROR(BlockMaker other(block), ErrorCode::kUnavailable, "00003.lock");
}

TEST(BuildStages, ABlockIsKnownByItsInputsAndSaysWhichOfThemChanged) {
  TempDir temp;
  const BuildBlock before(temp / "blocks", "kind", 0, {{"text", 1}, {"encoder", "a"}});
  BlockMaker maker(before);
  WriteText(maker.folder() / "file", "contents");
  EXPECT_FALSE(before.Find());
  maker.Finish({{"chunks", 7}});
  ASSERT_TRUE(before.Find());
  EXPECT_EQ(before.Find()->counts["chunks"], 7);
  EXPECT_GE(before.Find()->counts["seconds"], 0);

  const BuildBlock after(temp / "blocks", "kind", 0, {{"text", 1}, {"encoder", "b"}});
  EXPECT_FALSE(after.Find());
  EXPECT_THAT(after.ChangedInputs(), testing::ElementsAre("encoder"));
  WriteText(before.folder() / "file", "c0ntents");
  EXPECT_FALSE(before.Find());
}

}  // namespace
}  // namespace retro
