#include "retriever/vector_index_file.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <faiss/invlists/InvertedLists.h>
#include <fmt/format.h>

#include <vector>

#include "core/error.h"
#include "core/file.h"

namespace retro {
namespace {

class AtomicFileWriter final : public faiss::IOWriter {
 public:
  explicit AtomicFileWriter(AtomicFile& file) : file_(file) {}
  size_t operator()(const void* bytes, size_t size, size_t count) override {
    file_.Append(std::span(static_cast<const std::byte*>(bytes), size * count));
    return count;
  }

 private:
  AtomicFile& file_;
};

// Reads from a map, so that a file's own word about its sizes never reads past its end.
class MappedReader final : public faiss::IOReader {
 public:
  explicit MappedReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  size_t operator()(void* out, size_t size, size_t count) override {
    const size_t items = size == 0 ? count : std::min(count, bytes_.size() / size);
    std::copy_n(bytes_.data(), items * size, static_cast<std::byte*>(out));
    bytes_ = bytes_.subspan(items * size);
    return items;
  }
  bool AtEnd() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
};

// What is wrong with the lists; empty when nothing is.
std::string CheckLists(const faiss::IndexIVF& ivf) {
  if (ivf.quantizer == nullptr || ivf.invlists == nullptr) return "its lists are missing";
  if (static_cast<size_t>(ivf.quantizer->ntotal) != ivf.nlist || ivf.invlists->nlist != ivf.nlist) {
    return fmt::format("{} lists, {} centroids", ivf.nlist, ivf.quantizer->ntotal);
  }
  std::vector<bool> seen(ivf.ntotal);
  int64_t total = 0;
  for (size_t list = 0; list < ivf.nlist; ++list) {
    const size_t size = ivf.invlists->list_size(list);
    const faiss::InvertedLists::ScopedIds ids(ivf.invlists, list);
    for (size_t i = 0; i < size; ++i) {
      const int64_t id = ids[i];
      if (id < 0 || id >= ivf.ntotal || seen[id]) return fmt::format("list {} holds row {} wrongly", list, id);
      seen[id] = true;
    }
    total += size;
  }
  if (total != ivf.ntotal) return fmt::format("{} vectors, {} of them in lists", ivf.ntotal, total);
  return "";
}

std::string CheckIndex(const faiss::Index& index) {
  const auto* transform = dynamic_cast<const faiss::IndexPreTransform*>(&index);
  const faiss::Index& inner = transform ? *transform->index : index;
  if (index.d < 1 || index.ntotal < 0 || inner.ntotal != index.ntotal) {
    return fmt::format("dim {}, {} vectors", index.d, index.ntotal);
  }
  if (!index.is_trained) return "it is not trained";
  if (index.metric_type != faiss::METRIC_L2) return "its metric is not L2";
  if (const auto* flat = dynamic_cast<const faiss::IndexFlat*>(&inner)) {
    if (flat->codes.size() != flat->ntotal * flat->code_size) return "its vectors are cut short";
  }
  const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(&inner);
  return ivf != nullptr ? CheckLists(*ivf) : "";
}

std::string DescribeCodes(const faiss::IndexIVF& ivf) {
  if (const auto* pq = dynamic_cast<const faiss::IndexIVFPQFastScan*>(&ivf)) {
    return fmt::format("PQ{}x{}fs{}", pq->pq.M, pq->pq.nbits, pq->by_residual ? "r" : "");
  }
  if (dynamic_cast<const faiss::IndexIVFScalarQuantizer*>(&ivf) != nullptr) return "SQ8";
  return "codes";
}

}  // namespace

void WriteIndexFile(const faiss::Index& index, const std::filesystem::path& path) {
  AtomicFile file(path);
  AtomicFileWriter writer(file);
  try {
    faiss::write_index(&index, &writer);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    Throw(ErrorCode::kInternal, "{}: FAISS cannot write this index: {}", path.string(), error.what());
  }
  file.Finish();
}

std::unique_ptr<faiss::Index> ReadIndexFile(const std::filesystem::path& path) {
  const MappedFile file(path, MappedFile::Access::kSequential);
  MappedReader reader(file.bytes());
  std::unique_ptr<faiss::Index> index;
  try {
    index.reset(faiss::read_index(&reader));
  } catch (const std::exception& error) {
    Throw(ErrorCode::kCorruption, "{} is not an index that FAISS can read; build it again ({})", path.string(),
          error.what());
  }
  const std::string wrong = reader.AtEnd() ? CheckIndex(*index) : "it goes on after its end";
  if (!wrong.empty()) {
    Throw(ErrorCode::kCorruption, "{} is damaged: {}; build the index again", path.string(), wrong);
  }
  return index;
}

std::string DescribeIndex(const faiss::Index& index) {
  if (const auto* transform = dynamic_cast<const faiss::IndexPreTransform*>(&index)) {
    return fmt::format("(rotated to {}),{}", transform->index->d, DescribeIndex(*transform->index));
  }
  if (dynamic_cast<const faiss::IndexFlat*>(&index) != nullptr) return "Flat";
  if (const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(&index)) {
    const auto* hnsw = dynamic_cast<const faiss::IndexHNSW*>(ivf->quantizer);
    const std::string coarse = hnsw ? fmt::format("_HNSW{}", hnsw->hnsw.nb_neighbors(1)) : "";
    return fmt::format("IVF{}{},{}", ivf->nlist, coarse, DescribeCodes(*ivf));
  }
  return dynamic_cast<const faiss::IndexHNSW*>(&index) != nullptr ? "HNSW" : "other";
}

}  // namespace retro
