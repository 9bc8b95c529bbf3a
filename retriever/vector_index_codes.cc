#include "retriever/vector_index_codes.h"

#include <faiss/IndexIVFFastScan.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/io.h>
#include <faiss/impl/pq4_fast_scan.h>
#include <faiss/invlists/BlockInvertedLists.h>
#include <faiss/invlists/InvertedListsIOHook.h>
#include <faiss/utils/AlignedTable.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <typeinfo>
#include <vector>

#include "retriever/faiss_search.h"

namespace retro {
namespace {

using faiss::IOWriter;

template <typename T>
void Write(IOWriter& writer, std::span<const T> values) {
  if (!values.empty()) writer(values.data(), sizeof(T), values.size());
}

template <typename T>
void WriteOne(IOWriter& writer, const T& value) {
  Write(writer, std::span(&value, 1));
}

void WriteName(IOWriter& writer, const char* name) { Write(writer, std::span(name, 4)); }

// Lists that are read while the index is written.
class StreamedLists final : public faiss::ReadOnlyInvertedLists {
 public:
  StreamedLists(const faiss::IndexIVF& ivf, std::span<const uint64_t> sizes, const VectorIndex::ListReader& read)
      : ReadOnlyInvertedLists(ivf.nlist, ivf.invlists->code_size), ivf_(ivf), sizes_(sizes), read_(read) {
    blocks_ = dynamic_cast<const faiss::BlockInvertedLists*>(ivf.invlists);
  }

  size_t list_size(size_t list) const override { return sizes_[list]; }
  const uint8_t* get_codes(size_t) const override { return nullptr; }
  const idx_t* get_ids(size_t) const override { return nullptr; }

  void Write(IOWriter& writer) const { blocks_ != nullptr ? WriteBlocks(writer) : WriteArrays(writer); }

 private:
  // As FAISS writes ArrayInvertedLists (impl/index_write.cpp): sizes of all, or where over half of the lists are empty,
  // number and size of those that are not; then codes and ids of each list.
  void WriteArrays(IOWriter& writer) const {
    WriteName(writer, "ilar");
    WriteOne(writer, nlist);
    WriteOne(writer, code_size);
    const auto filled = static_cast<size_t>(std::count_if(sizes_.begin(), sizes_.end(), [](auto n) { return n > 0; }));
    const bool is_full = filled > nlist / 2;
    std::vector<size_t> sizes;
    for (size_t list = 0; list < nlist; ++list) {
      if (!is_full && sizes_[list] > 0) sizes.push_back(list);
      if (is_full || sizes_[list] > 0) sizes.push_back(sizes_[list]);
    }
    WriteName(writer, is_full ? "full" : "sprs");
    WriteOne(writer, sizes.size());
    retro::Write(writer, std::span<const size_t>(sizes));
    for (size_t list = 0; list < nlist; ++list) {
      const ListEntries entries = read_(list);
      retro::Write(writer, entries.codes);
      retro::Write(writer, entries.rows);
    }
  }

  // As FAISS writes BlockInvertedLists (its BlockInvertedLists.cpp): ids and codes of each list. Codes of 4 bits lie
  // interleaved in blocks of vectors, the last of which is filled up (IndexIVFFastScan::add_with_ids).
  void WriteBlocks(IOWriter& writer) const {
    const auto& ivf = dynamic_cast<const faiss::IndexIVFFastScan&>(ivf_);
    WriteName(writer, "ilbl");
    WriteOne(writer, nlist);
    WriteOne(writer, code_size);
    WriteOne(writer, blocks_->n_per_block);
    WriteOne(writer, blocks_->block_size);
    faiss::AlignedTable<uint8_t> packed;
    for (size_t list = 0; list < nlist; ++list) {
      const ListEntries entries = read_(list);
      WriteOne(writer, entries.rows.size());
      retro::Write(writer, entries.rows);
      const size_t count = entries.rows.size(), per_block = blocks_->n_per_block;
      packed.resize((count + per_block - 1) / per_block * blocks_->block_size);
      if (count > 0) {
        std::fill_n(packed.data(), packed.size(), uint8_t{0});
        faiss::pq4_pack_codes_range(entries.codes.data(), ivf.M, 0, count, ivf.bbs, ivf.M2, packed.data());
      }
      WriteOne(writer, packed.size());
      retro::Write(writer, std::span<const uint8_t>(packed.data(), packed.size()));
    }
  }

  const faiss::IndexIVF& ivf_;
  const faiss::BlockInvertedLists* blocks_;  // the empty lists of an index of 4-bit codes
  std::span<const uint64_t> sizes_;
  const VectorIndex::ListReader& read_;
};

// How FAISS writes lists of a kind that it does not know itself.
struct StreamedListsHook final : faiss::InvertedListsIOHook {
  StreamedListsHook() : InvertedListsIOHook("rtsl", typeid(StreamedLists).name()) {}
  void write(const faiss::InvertedLists* lists, IOWriter* writer) const override {
    dynamic_cast<const StreamedLists&>(*lists).Write(*writer);
  }
  faiss::InvertedLists* read(faiss::IOReader*, int) const override { FAISS_THROW_MSG("are only written"); }
};

void RegisterHook() {
  static const bool once = (faiss::InvertedListsIOHook::add_callback(new StreamedListsHook), true);  // FAISS owns it
  static_cast<void>(once);
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

FilledLists::FilledLists(faiss::Index& index, std::span<const uint64_t> sizes, const VectorIndex::ListReader& read)
    : index_(index), ivf_(*FindIvf(index)), empty_(ivf_.invlists) {
  RegisterHook();
  filled_ = std::make_unique<StreamedLists>(ivf_, sizes, read);
  ivf_.invlists = filled_.get();
  index_.ntotal = ivf_.ntotal = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
}

FilledLists::~FilledLists() {
  ivf_.invlists = empty_;
  index_.ntotal = ivf_.ntotal = 0;
}

}  // namespace retro
