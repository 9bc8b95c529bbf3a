#include "retriever/vector_index_codes.h"

#include <faiss/IndexIVFFastScan.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/impl/pq4_fast_scan.h>
#include <faiss/invlists/BlockInvertedLists.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "core/error.h"
#include "retriever/faiss_search.h"

namespace retro {
namespace {

// Entries of one list, in the order of their numbers.
struct ListEntries {
  size_t list = 0;
  std::vector<faiss::Index::idx_t> ids = {};
  std::vector<uint8_t> codes = {};
};

// 4-bit codes lie interleaved in blocks of vectors (FAISS, IndexIVFFastScan::add_with_ids): new ones fill up the last.
void AppendPacked(const faiss::IndexIVFFastScan& ivf, faiss::BlockInvertedLists& lists, const ListEntries& entries) {
  const size_t begin = lists.list_size(entries.list), end = begin + entries.ids.size();
  lists.resize(entries.list, end);
  std::copy(entries.ids.begin(), entries.ids.end(), lists.ids[entries.list].begin() + begin);
  faiss::pq4_pack_codes_range(entries.codes.data(), ivf.M, begin, end, ivf.bbs, ivf.M2,
                              lists.codes[entries.list].data());
}

void AppendToList(faiss::IndexIVF& ivf, const ListEntries& entries) {
  auto* blocks = dynamic_cast<faiss::BlockInvertedLists*>(ivf.invlists);
  if (blocks != nullptr) return AppendPacked(dynamic_cast<faiss::IndexIVFFastScan&>(ivf), *blocks, entries);
  ivf.invlists->add_entries(entries.list, entries.ids.size(), entries.ids.data(), entries.codes.data());
}

// Vectors by list, and within a list by number.
std::vector<size_t> OrderByList(std::span<const uint32_t> lists) {
  std::vector<size_t> order(lists.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lists[a] < lists[b]; });
  return order;
}

}  // namespace

faiss::IndexIVF* FindIvf(faiss::Index& index) {
  auto* transform = dynamic_cast<faiss::IndexPreTransform*>(&index);
  return dynamic_cast<faiss::IndexIVF*>(transform ? transform->index : &index);
}

VectorCodes EncodeVectors(faiss::Index& index, std::span<const float> vectors) {
  const SingleOpenMpThread single;
  const faiss::IndexIVF& ivf = *FindIvf(index);
  const auto count = static_cast<faiss::Index::idx_t>(vectors.size() / index.d);
  const float* rows = vectors.data();
  std::unique_ptr<const float[]> rotated;
  if (const auto* transform = dynamic_cast<const faiss::IndexPreTransform*>(&index)) {
    rows = transform->apply_chain(count, rows);
    if (rows != vectors.data()) rotated.reset(rows);
  }
  std::vector<faiss::Index::idx_t> lists(count);
  ivf.quantizer->assign(count, rows, lists.data());
  VectorCodes codes;
  codes.lists.assign(lists.begin(), lists.end());
  codes.codes.resize(count * ivf.code_size);
  ivf.encode_vectors(count, rows, lists.data(), codes.codes.data());
  return codes;
}

void AppendCodes(faiss::Index& index, const VectorCodes& codes) {
  faiss::IndexIVF* ivf = FindIvf(index);
  const size_t count = codes.lists.size();
  if (ivf == nullptr || codes.codes.size() != count * ivf->code_size ||
      std::any_of(codes.lists.begin(), codes.lists.end(), [&](uint32_t list) { return list >= ivf->nlist; })) {
    Throw(ErrorCode::kCorruption, "codes of {} vectors do not belong to this index; remove them and build again",
          count);
  }
  const std::vector<size_t> order = OrderByList(codes.lists);
  for (size_t begin = 0; begin < count;) {
    ListEntries entries{.list = codes.lists[order[begin]]};
    for (; begin < count && codes.lists[order[begin]] == entries.list; ++begin) {
      entries.ids.push_back(ivf->ntotal + order[begin]);
      const auto code = codes.codes.begin() + order[begin] * ivf->code_size;
      entries.codes.insert(entries.codes.end(), code, code + ivf->code_size);
    }
    AppendToList(*ivf, entries);
  }
  ivf->ntotal += count;
  index.ntotal = ivf->ntotal;
}

}  // namespace retro
