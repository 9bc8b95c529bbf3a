#include "retriever/vector_index.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <numeric>
#include <set>
#include <thread>

#include "core/file.h"
#include "core/thread_pool.h"
#include "retriever/faiss_nearest_rows.h"
#include "retriever/reranked_search.h"
#include "tests/retriever/random_vectors.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

constexpr int64_t kDim = 32;
constexpr uint64_t kVectors = 2000;

VectorIndex Build(const std::string& factory, std::span<const float> vectors, int64_t dim = kDim) {
  VectorIndex index(dim, factory);
  if (index.NeedsTraining()) index.Train(vectors);
  index.Add(vectors);
  return index;
}

class VectorIndexTest : public testing::Test {
 protected:
  TempDir dir_;
  std::vector<float> vectors_ = RandomUnitVectors(kVectors, kDim);
  std::vector<float> queries_ = RandomUnitVectors(30, kDim, 7);
  std::span<const float> Query(size_t i) const { return std::span(queries_).subspan(i * kDim, kDim); }
};

class EveryKind : public VectorIndexTest, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind,
                         testing::Values("Flat", "IVF32,PQ8x4fs", "IVF32,PQ8x4fsr", "IVF32_HNSW8,PQ8x4fs", "IVF32,Flat",
                                         "IVF32,SQ8", "HNSW16"));

class KindWithLists : public VectorIndexTest, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Kinds, KindWithLists,
                         testing::Values("IVF32,PQ8x4fs", "IVF32,PQ8x4fsr", "IVF32_HNSW8,PQ8x4fs", "IVF32,Flat",
                                         "IVF32,SQ8", "IVF32,PQ8", "OPQ8_16,IVF32,PQ8x4fs"));

// The entries of codes by list: row i has the number first + i.
struct EntriesByList {
  explicit EntriesByList(uint64_t num_lists) : sizes(num_lists), rows(num_lists), codes(num_lists) {}

  void Add(const VectorCodes& block, size_t code_bytes) {
    for (size_t i = 0; i < block.lists.size(); ++i, ++num_rows) {
      const uint32_t list = block.lists[i];
      ++sizes.at(list);
      rows[list].push_back(num_rows);
      const auto code = block.codes.begin() + i * code_bytes;
      codes[list].insert(codes[list].end(), code, code + code_bytes);
    }
  }
  VectorIndex::ListReader Reader() const {
    return [this](uint64_t list) { return ListEntries{rows[list], codes[list]}; };
  }

  int64_t num_rows = 0;
  std::vector<uint64_t> sizes;
  std::vector<std::vector<int64_t>> rows;
  std::vector<std::vector<uint8_t>> codes;
};

TEST_P(KindWithLists, AFileWrittenListByListFromCodesMadeApartIsTheIndexThatAddMakes) {
  VectorIndex trained(kDim, GetParam());
  trained.Train(vectors_);
  trained.Save(dir_ / "trained");
  VectorIndex added = VectorIndex::Load(dir_ / "trained");
  EntriesByList entries(trained.num_lists());
  for (size_t begin = 0; begin < kVectors; begin += 300) {  // the last block has fewer
    const auto block = std::span(vectors_).subspan(begin * kDim, std::min<size_t>(300, kVectors - begin) * kDim);
    added.Add(block);
    const VectorCodes codes = trained.Encode(block);
    EXPECT_EQ(codes.codes.size(), codes.lists.size() * trained.code_bytes());
    entries.Add(codes, trained.code_bytes());
  }
  added.Save(dir_ / "added");
  trained.SaveFilled(dir_ / "filled", entries.sizes, entries.Reader());
  EXPECT_EQ(ReadFile(dir_ / "added"), ReadFile(dir_ / "filled"));
  EXPECT_EQ(trained.size(), 0u);
}

// Quick to train.
class QuickKindWithLists : public KindWithLists {};

INSTANTIATE_TEST_SUITE_P(Kinds, QuickKindWithLists,
                         testing::Values("IVF32,PQ8x4fs", "IVF32_HNSW8,PQ8x4fs", "IVF32,Flat", "IVF32,SQ8",
                                         "PCA16,IVF32,PQ8x4fs"));

TEST_P(QuickKindWithLists, EmptyListsAreWrittenAsFaissWritesThem) {
  VectorIndex trained(kDim, GetParam());
  trained.Train(vectors_);
  trained.Save(dir_ / "trained");
  VectorIndex added = VectorIndex::Load(dir_ / "trained");
  const auto few = std::span(vectors_).first(5 * kDim);
  added.Add(few);
  added.Save(dir_ / "added");
  EntriesByList entries(trained.num_lists());
  entries.Add(trained.Encode(few), trained.code_bytes());
  trained.SaveFilled(dir_ / "filled", entries.sizes, entries.Reader());
  EXPECT_EQ(ReadFile(dir_ / "added"), ReadFile(dir_ / "filled"));
}

TEST_F(VectorIndexTest, AReaderOfListsThatFailsLeavesIndexAndFileAsTheyWere) {
  VectorIndex index(kDim, "IVF32,SQ8");
  index.Train(vectors_);
  const std::vector<uint64_t> sizes(32, 1);
  const auto fail = [](uint64_t) -> ListEntries { Throw(ErrorCode::kCorruption, "list is damaged"); };
  EXPECT_ERROR(index.SaveFilled(dir_ / "filled", sizes, fail), ErrorCode::kCorruption, "list is damaged");
  EXPECT_FALSE(std::filesystem::exists(dir_ / "filled"));
  EXPECT_EQ(index.size(), 0u);
  index.Add(vectors_);
  EXPECT_EQ(index.size(), kVectors);
  EXPECT_EQ(VectorIndex(kDim, "Flat").code_bytes(), 0u);
}

TEST_P(QuickKindWithLists, GivenCentroidsAreTheListsAndTrainLeavesThemAsTheyAre) {
  VectorIndex index(kDim, GetParam());
  EXPECT_EQ(index.num_centroids_wanted(), 32u);
  index.TrainTransforms(vectors_);
  const std::vector<float> rows = index.Transform(vectors_);
  ASSERT_EQ(rows.size(), kVectors * index.centroid_dim());
  const auto centroids = std::span(rows).first(32 * index.centroid_dim());
  index.SetCentroids(centroids);
  EXPECT_EQ(index.num_centroids_wanted(), 0u);
  index.Train(vectors_);
  const VectorCodes codes = index.Encode(vectors_);
  std::vector<uint32_t> nearest(kVectors);
  FindNearestRows(rows, centroids, index.centroid_dim(), nearest);
  // HNSW may miss the nearest.
  const auto same = std::inner_product(nearest.begin(), nearest.end(), codes.lists.begin(), size_t{0}, std::plus<>(),
                                       [](uint32_t a, uint32_t b) { return a == b ? size_t{1} : size_t{0}; });
  EXPECT_GE(same, kVectors * 99 / 100);
}

TEST_F(VectorIndexTest, TheNearestRowIsThatOfABruteForceSearch) {
  std::vector<uint32_t> nearest(30);
  FindNearestRows(queries_, vectors_, kDim, nearest);
  for (size_t i = 0; i < nearest.size(); ++i) EXPECT_EQ(nearest[i], Ids(NearestByBruteForce(vectors_, Query(i), 1))[0]);
}

TEST_P(EveryKind, GivesTheSameAnswersAfterSavingAndLoading) {
  const VectorIndex index = Build(GetParam(), vectors_);
  index.Save(dir_ / "vectors.index");
  const VectorIndex loaded = VectorIndex::Load(dir_ / "vectors.index");
  EXPECT_EQ(loaded.size(), kVectors);
  EXPECT_EQ(loaded.dim(), kDim);
  const SearchOptions options{.k = 5, .nprobe = 8};
  const auto before = index.Search(queries_, options), after = loaded.Search(queries_, options);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(Ids(before[i]), Ids(after[i]));
}

TEST_P(EveryKind, FindsEveryVectorWhenKIsLargerThanTheIndex) {
  VectorIndex index(kDim, GetParam());
  if (index.NeedsTraining()) index.Train(vectors_);
  index.Add(std::span(vectors_).first(100 * kDim));
  const auto found = index.Search(Query(0), {.k = 1000, .nprobe = 32});
  const auto ids = Ids(found[0]);
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size());
  // No edge of an HNSW graph may lead to a vector: it promises none.
  const bool graph_alone = std::string_view(GetParam()).starts_with("HNSW");
  EXPECT_GE(ids.size(), graph_alone ? 90u : 100u);
}

TEST_P(EveryKind, DistancesRiseAlongTheAnswer) {
  const VectorIndex index = Build(GetParam(), vectors_);
  for (const auto& found : index.Search(queries_, {.k = 20})) {
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end(), [](const Neighbour& a, const Neighbour& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.chunk < b.chunk;
    }));
  }
}

// Apart from the others, since the rotation takes seconds to train.
TEST_F(VectorIndexTest, ARotationBeforeTheCodesComesBackFromTheFile) {
  const VectorIndex index = Build("OPQ8_16,IVF32,PQ8x4fs", vectors_);
  index.Save(dir_ / "vectors.index");
  const auto before = index.Search(queries_, {.k = 10, .nprobe = 32});
  const auto after = VectorIndex::Load(dir_ / "vectors.index").Search(queries_, {.k = 10, .nprobe = 32});
  size_t hits = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(Ids(before[i]), Ids(after[i]));
    const auto truth = Ids(NearestByBruteForce(vectors_, Query(i), 10));
    for (const uint64_t id : Ids(before[i])) hits += std::ranges::count(truth, id);
  }
  EXPECT_GT(hits, before.size() * 2);  // far from the 10 * 10 / 2000 of chance
}

TEST_F(VectorIndexTest, ANearerLookFindsMore) {
  const VectorIndex index = Build("IVF32,Flat", vectors_);
  const auto hits = [&](int nprobe) {
    size_t count = 0;
    const auto found = index.Search(queries_, {.k = 10, .nprobe = nprobe});
    for (size_t i = 0; i < found.size(); ++i) {
      const auto truth = Ids(NearestByBruteForce(vectors_, Query(i), 10)), ids = Ids(found[i]);
      count += std::count_if(ids.begin(), ids.end(),
                             [&](uint64_t id) { return std::find(truth.begin(), truth.end(), id) != truth.end(); });
    }
    return count;
  };
  EXPECT_LT(hits(1), hits(4));
  EXPECT_EQ(hits(32), 300u);
}

// nprobe is a member in FAISS 1.7's fast scan: searches with several values at once must not see each other's.
TEST_F(VectorIndexTest, ConcurrentSearchesKeepTheirOwnNprobe) {
  const VectorIndex index = Build("IVF32,PQ8x4fs", vectors_);
  std::vector<std::vector<std::vector<Neighbour>>> expected;
  for (int nprobe = 1; nprobe <= 4; ++nprobe) expected.push_back(index.Search(queries_, {.k = 5, .nprobe = nprobe}));
  EXPECT_NE(Ids(expected[0][0]), Ids(expected[3][0]));
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int repeat = 0; repeat < 20; ++repeat) {
        const auto found = index.Search(queries_, {.k = 5, .nprobe = thread + 1});
        for (size_t i = 0; i < found.size(); ++i) wrong[thread] += Ids(found[i]) != Ids(expected[thread][i]);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST_F(VectorIndexTest, FlatIsExactAndAnswersAQueryAloneAsInABatch) {
  const VectorIndex index = Build("Flat", vectors_);
  const auto batch = index.Search(queries_, {.k = 10});
  for (size_t i = 0; i < batch.size(); ++i) {
    EXPECT_EQ(Ids(batch[i]), Ids(NearestByBruteForce(vectors_, Query(i), 10)));
    const auto alone = index.Search(Query(i), {.k = 10})[0];
    ASSERT_EQ(Ids(alone), Ids(batch[i]));
    for (size_t j = 0; j < alone.size(); ++j) EXPECT_EQ(alone[j].distance, batch[i][j].distance);
  }
}

TEST_F(VectorIndexTest, EqualDistancesComeInTheOrderOfTheirIds) {
  std::vector<float> vectors;
  for (int copy = 0; copy < 12; ++copy) vectors.insert(vectors.end(), Query(0).begin(), Query(0).end());
  const auto found = Build("Flat", vectors).Search(Query(0), {.k = 5});
  EXPECT_EQ(Ids(found[0]), (std::vector<uint64_t>{0, 1, 2, 3, 4}));
}

TEST_F(VectorIndexTest, AnEmptyIndexFindsNothing) {
  const VectorIndex index(kDim, "Flat");
  EXPECT_THAT(index.Search(Query(0), {.k = 3}), testing::ElementsAre(testing::IsEmpty()));
}

TEST_F(VectorIndexTest, RefusesKBelowOne) {
  const VectorIndex index = Build("Flat", vectors_);
  EXPECT_ERROR(index.Search(Query(0), {.k = 0}), ErrorCode::kInvalidArgument, "k is 0");
  EXPECT_ERROR(index.Search(Query(0), {.k = -4}), ErrorCode::kInvalidArgument, "k is -4");
  EXPECT_ERROR(index.Search(Query(0), {.k = 1, .nprobe = -1}), ErrorCode::kInvalidArgument, "nprobe is -1");
}

TEST_F(VectorIndexTest, RefusesValuesThatAreNotFinite) {
  VectorIndex index = Build("Flat", vectors_);
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    queries_[2 * kDim + 5] = value;
    EXPECT_ERROR(index.Search(queries_, {}), ErrorCode::kInvalidArgument, "query 2 is not finite at dimension 5");
    EXPECT_ERROR(index.Add(queries_), ErrorCode::kInvalidArgument, "vector 2 is not finite");
  }
  EXPECT_EQ(index.size(), kVectors);
}

TEST_F(VectorIndexTest, RefusesIndexStringsThatFaissDoesNotKnowOrThatWouldLoseRows) {
  EXPECT_ERROR(VectorIndex(kDim, "IVFx,PQ7"), ErrorCode::kInvalidArgument, "IVFx,PQ7");
  EXPECT_ERROR(VectorIndex(kDim, "IVF16,PQ7x4fs"), ErrorCode::kInvalidArgument, "PQ7x4fs");
  EXPECT_ERROR(VectorIndex(kDim, "IVF16,PQ8x4fs,RFlat"), ErrorCode::kInvalidArgument, "RFlat");
  EXPECT_ERROR(VectorIndex(0, "Flat"), ErrorCode::kInvalidArgument, "dim 0");
}

TEST_F(VectorIndexTest, RefusesTooFewTrainingVectors) {
  VectorIndex index(kDim, "IVF64,PQ8x4fs");
  EXPECT_GE(index.TrainingVectors(), 64u * 64);
  EXPECT_ERROR(index.Train(std::span(vectors_).first(10 * kDim)), ErrorCode::kInvalidArgument, "at least 64");
}

TEST_F(VectorIndexTest, RefusesDamagedFiles) {
  const auto path = dir_ / "vectors.index";
  Build("IVF32,PQ8x4fs", vectors_).Save(path);
  const std::string whole = ReadFile(path);
  WriteFileAtomically(path, whole.substr(0, whole.size() / 2));
  EXPECT_ERROR(VectorIndex::Load(path), ErrorCode::kCorruption, "vectors.index");
  WriteFileAtomically(path, "IxXX" + whole.substr(4));
  EXPECT_ERROR(VectorIndex::Load(path), ErrorCode::kCorruption, "vectors.index");
  WriteFileAtomically(path, whole + "more");
  EXPECT_ERROR(VectorIndex::Load(path), ErrorCode::kCorruption, "after its end");
  WriteFileAtomically(path, "");
  EXPECT_ERROR(VectorIndex::Load(path), ErrorCode::kCorruption, "vectors.index");
  EXPECT_ERROR(VectorIndex::Load(dir_ / "none"), ErrorCode::kNotFound, "none");
}

TEST(ChooseFactory, IsExactForFewVectorsAndGrowsItsListsWithTheirRoot) {
  EXPECT_EQ(VectorIndex::ChooseFactory(0, 384), "Flat");
  EXPECT_EQ(VectorIndex::ChooseFactory(20'000, 384), "Flat");
  EXPECT_EQ(VectorIndex::ChooseFactory(100'000, 384), "IVF1265,PQ48x4fs");
  EXPECT_EQ(VectorIndex::ChooseFactory(1'000'000'000, 384), "IVF126491_HNSW32,PQ48x4fs");
  EXPECT_EQ(VectorIndex::ChooseFactory(100'000, 30), "IVF1265,SQ8");
}

TEST(ChooseFactory, NamesIndexesThatFaissMakes) {
  for (const uint64_t count : {uint64_t{1000}, uint64_t{100'000}, uint64_t{1'000'000'000}}) {
    for (const int64_t dim : {8, 30, 384, 768}) {
      const std::string factory = VectorIndex::ChooseFactory(count, dim);
      EXPECT_EQ(VectorIndex(dim, factory).dim(), dim) << factory;
    }
  }
}

class RerankedSearchTest : public VectorIndexTest {
 protected:
  RerankedSearchTest() { WriteEmbeddings(dir_ / "embeddings", vectors_, kDim, 300); }
  ThreadPool pool_{2};
  std::vector<float> rounded_ = RoundedToHalf(vectors_);
};

TEST_F(RerankedSearchTest, WithEnoughCandidatesIsBruteForceOverTheEmbeddings) {
  const VectorIndex index = Build("IVF32,PQ8x4fs", vectors_);
  const HalfEmbeddings embeddings(dir_ / "embeddings", kDim);
  const auto found = SearchReranked(index, &embeddings, queries_, {.k = 10, .nprobe = 32, .rerank_factor = 200}, pool_);
  for (size_t i = 0; i < found.size(); ++i) {
    const auto truth = NearestByBruteForce(rounded_, Query(i), 10);
    EXPECT_EQ(Ids(found[i]), Ids(truth));
    for (size_t j = 0; j < truth.size(); ++j) EXPECT_NEAR(found[i][j].distance, truth[j].distance, 1e-5);
  }
}

TEST_F(RerankedSearchTest, FindsMoreThanTheCodesAlone) {
  const VectorIndex index = Build("IVF32,PQ8x4fs", vectors_);
  const HalfEmbeddings embeddings(dir_ / "embeddings", kDim);
  const auto hits = [&](const HalfEmbeddings* with) {
    size_t count = 0;
    const auto found = SearchReranked(index, with, queries_, {.k = 10, .nprobe = 32, .rerank_factor = 10}, pool_);
    for (size_t i = 0; i < found.size(); ++i) {
      const auto truth = Ids(NearestByBruteForce(rounded_, Query(i), 10));
      for (const uint64_t id : Ids(found[i])) count += std::find(truth.begin(), truth.end(), id) != truth.end();
    }
    return count;
  };
  EXPECT_GT(hits(&embeddings), hits(nullptr) + 50);
}

TEST_F(RerankedSearchTest, GivesTheSameForAnyNumberOfThreads) {
  const VectorIndex index = Build("IVF32,PQ8x4fs", vectors_);
  const HalfEmbeddings embeddings(dir_ / "embeddings", kDim);
  const auto many = RandomUnitVectors(300, kDim, 11);
  ThreadPool one(1);
  const SearchOptions options{.k = 4, .nprobe = 6, .rerank_factor = 8};
  const auto a = SearchReranked(index, &embeddings, many, options, one);
  const auto b = SearchReranked(index, &embeddings, many, options, pool_);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(Ids(a[i]), Ids(b[i]));
}

TEST_F(RerankedSearchTest, KAndFactorMayExceedTheIndex) {
  const VectorIndex index = Build("Flat", std::span(vectors_).first(20 * kDim));
  WriteEmbeddings(dir_ / "few", std::span(vectors_).first(20 * kDim), kDim, 300);
  const HalfEmbeddings embeddings(dir_ / "few", kDim);
  const int huge = std::numeric_limits<int>::max();
  EXPECT_EQ(SearchReranked(index, &embeddings, Query(0), {.k = huge, .rerank_factor = huge}, pool_)[0].size(), 20u);
  EXPECT_ERROR(SearchReranked(index, &embeddings, Query(0), {.k = 0}, pool_), ErrorCode::kInvalidArgument, "k is 0");
  EXPECT_ERROR(SearchReranked(index, &embeddings, Query(0), {.k = 1, .rerank_factor = -1}, pool_),
               ErrorCode::kInvalidArgument, "rerank_factor is -1");
}

}  // namespace
}  // namespace retro
