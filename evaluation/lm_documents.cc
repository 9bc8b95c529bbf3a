#include "evaluation/lm_documents.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "core/error.h"
#include "core/hash.h"
#include "core/interrupt.h"
#include "core/utf8.h"
#include "datasets/corpus.h"
#include "datasets/document.h"
#include "datasets/unicode_class.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

struct RawDocument {
  std::string id, source, text;
};

// The `size` documents with the smallest hashes, in their order; 0: all.
class Sample {
 public:
  Sample(uint64_t size, uint64_t seed) : size_(size), seed_(std::to_string(seed) + " ") {}

  bool Wants(const std::string& id) const {
    return size_ == 0 || kept_.size() < size_ || Hash(id) < kept_.rbegin()->first.first;
  }
  void Add(RawDocument document) {
    const auto key = std::pair(Hash(document.id), num_added_++);
    kept_.emplace(key, std::move(document));
    if (size_ != 0 && kept_.size() > size_) kept_.erase(std::prev(kept_.end()));
  }
  const std::map<std::pair<uint64_t, uint64_t>, RawDocument>& kept() const { return kept_; }

 private:
  uint64_t Hash(const std::string& id) const { return HashBytes(seed_ + id); }

  uint64_t size_, num_added_ = 0;
  std::string seed_;
  std::map<std::pair<uint64_t, uint64_t>, RawDocument> kept_;  // by hash, then order
};

bool IsCorpusFolder(const fs::path& path) { return fs::is_directory(path) && fs::exists(path / "manifest.json"); }

// "wiki" of "data/wiki.jsonl.gz".
std::string FileSource(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.substr(0, std::max<size_t>(1, name.find('.', 1)));
}

void ReadFiles(const fs::path& input, Sample& sample, LmDocuments& out) {
  for (const fs::path& file : input == "-" ? std::vector{input} : ListDocumentFiles({input})) {
    const auto reader = OpenDocuments({file});
    Document document;
    while (reader->Next(document)) {
      ThrowIfInterrupted();
      if (!sample.Wants(document.id)) continue;
      sample.Add({document.id, document.source.empty() ? FileSource(file) : document.source, std::move(document.text)});
    }
    const std::string problems = reader->report().Summary();
    if (!problems.empty()) out.problems += (out.problems.empty() ? "" : "; ") + problems;
  }
}

std::string CorpusSource(const DocumentInfo& info) {
  if (!info.source.empty()) return info.source;
  const size_t slash = info.id.find('/');
  return slash == 0 || slash == std::string::npos ? "(none)" : info.id.substr(0, slash);
}

void CheckTokenizer(const fs::path& folder, const Corpus& corpus, const Tokenizer& tokenizer) {
  const std::string recorded = corpus.manifest().fingerprints.value("tokenizer", "(not recorded)");
  if (recorded == tokenizer.fingerprint()) return;
  Throw(ErrorCode::kInvalidArgument,
        "{} was built with another tokenizer than the model's: its fingerprint is {}, the model's {}; build the corpus "
        "with the model's, or give its documents instead",
        folder.string(), recorded, tokenizer.fingerprint());
}

void ReadCorpus(const fs::path& folder, const std::string& part, const Tokenizer& tokenizer, Sample& sample) {
  const Corpus corpus(folder, part);
  CheckTokenizer(folder, corpus, tokenizer);
  std::vector<TokenId> tokens;
  for (uint64_t i = 0; i < corpus.num_documents(); ++i) {
    ThrowIfInterrupted();
    const DocumentInfo info = corpus.Info({i});
    if (!sample.Wants(info.id)) continue;
    tokens.clear();
    corpus.AppendTokens({i}, tokens);
    sample.Add({info.id, CorpusSource(info), tokenizer.Decode(tokens, {.skip_special = true})});
  }
}

// The token that a document is scored after.
std::optional<TokenId> Prefix(const SpecialTokens& special) { return special.bos ? special.bos : special.eos; }

std::string PrefixName(const SpecialTokens& special) { return special.bos ? "bos" : special.eos ? "eos" : "none"; }

// The bytes that `tokens` add to the text after `before` (none: at its beginning, where some tokenizers drop a blank).
uint64_t TokenBytes(const Tokenizer& tokenizer, std::span<const TokenId> tokens, std::span<const TokenId> before) {
  std::vector<TokenId> joined(before.begin(), before.end());
  const uint64_t without = tokenizer.Decode(joined).size();
  joined.insert(joined.end(), tokens.begin(), tokens.end());
  return tokenizer.Decode(joined).size() - without;
}

// What tokenizing lost or added (nothing for byte-level vocabularies) is put on the last chunk, so that the sum is the
// document's.
void CountChunkBytes(const Tokenizer& tokenizer, uint32_t chunk_len, LmDocument& document) {
  const std::span<const TokenId> tokens = document.tokens;
  if (!document.has_prefix) document.bytes -= std::min(document.bytes, TokenBytes(tokenizer, tokens.first(1), {}));
  uint64_t left = document.bytes;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk_len) {
    const size_t end = std::min(begin + chunk_len, tokens.size()), first = std::max<size_t>(1, begin);
    const size_t before = document.has_prefix && first == 1 ? 0 : 1;
    const uint64_t bytes = end == tokens.size()
                               ? left
                               : std::min(left, TokenBytes(tokenizer, tokens.subspan(first, end - first),
                                                           tokens.subspan(first - before, before)));
    document.chunk_bytes.push_back(bytes);
    left -= bytes;
  }
}

LmDocument Tokenize(const RawDocument& raw, const Tokenizer& tokenizer, const LmDocumentOptions& options, bool& cut) {
  LmDocument document;
  document.id = raw.id;
  document.source = raw.source;
  std::vector<TokenId> tokens = tokenizer.Encode(raw.text);
  cut = options.max_document_tokens != 0 && tokens.size() > options.max_document_tokens;
  if (cut) tokens.resize(options.max_document_tokens);
  const std::string text = cut ? tokenizer.Decode(tokens) : raw.text;
  document.words = CountWords(text);
  document.bytes = text.size();
  const auto prefix = Prefix(tokenizer.special());
  document.has_prefix = prefix.has_value();
  if (prefix) document.tokens.push_back(*prefix);
  document.tokens.insert(document.tokens.end(), tokens.begin(), tokens.end());
  if (document.tokens.size() > 1) CountChunkBytes(tokenizer, options.chunk_len, document);
  return document;
}

}  // namespace

uint64_t CountWords(std::string_view text) {
  const uint8_t* classes = CharClassTable();
  uint64_t words = 0;
  bool in_word = false;
  while (!text.empty()) {
    const CodePoint c = DecodeCodePoint(text);
    const bool space = (classes[c.value] & kWhiteSpace) != 0;
    if (!space && !in_word) ++words;
    in_word = !space;
    text.remove_prefix(c.length);
  }
  return words;
}

std::span<const TokenId> ChunkText(const LmDocument& document, size_t u, uint32_t chunk_len) {
  const size_t begin = u == 0 && document.has_prefix ? 1 : u * chunk_len;
  const size_t end = std::min((u + 1) * chunk_len, document.tokens.size());
  return std::span(document.tokens).subspan(begin, end - begin);
}

LmDocuments ReadLmDocuments(const std::vector<fs::path>& inputs, const Tokenizer& tokenizer,
                            const LmDocumentOptions& options) {
  LmDocuments out;
  Sample sample(options.max_documents, options.seed);
  for (const fs::path& input : inputs) {
    if (IsCorpusFolder(input)) {
      ReadCorpus(input, options.part, tokenizer, sample);
    } else {
      ReadFiles(input, sample, out);
    }
  }
  out.prefix = PrefixName(tokenizer.special());
  for (const auto& [order, raw] : sample.kept()) {
    ThrowIfInterrupted();
    bool cut = false;
    LmDocument document = Tokenize(raw, tokenizer, options, cut);
    out.num_cut += cut;
    if (document.tokens.size() < 2 || document.bytes == 0) {
      ++out.num_empty;
    } else {
      out.documents.push_back(std::move(document));
    }
  }
  if (out.documents.empty()) {
    Throw(ErrorCode::kInvalidArgument, "{} holds no document with a token to score ({} empty ones){}; give another",
          inputs.empty() ? "the input" : inputs[0].string(), out.num_empty,
          out.problems.empty() ? "" : ": " + out.problems);
  }
  return out;
}

}  // namespace retro
