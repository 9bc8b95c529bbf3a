// retro embed: lines of text in, a NumPy array out.
#include <iostream>

#include "cli/command.h"
#include "cli/open.h"
#include "core/error.h"
#include "core/npy.h"
#include "core/progress.h"
#include "retriever/embedder.h"

namespace retro::cli {
namespace {

constexpr size_t kBatchLines = 4096;

struct EmbedOptions {
  std::string encoder, input = "-", out;
  std::optional<EncoderPrecision> precision;
};

void Embed(const EmbedOptions& options, const GlobalOptions& globals) {
  const Embedder embedder(options.encoder, options.precision.value_or(EncoderPrecision::kFp32));
  const std::vector<std::string> lines = ReadLines(options.input);
  ThreadPool pool(globals.num_threads);
  const size_t dim = embedder.dim();
  std::vector<float> vectors(lines.size() * dim);
  Progress progress("embedding", "lines", lines.size());
  for (size_t begin = 0; begin < lines.size(); begin += kBatchLines) {
    const size_t count = std::min(kBatchLines, lines.size() - begin);
    const std::vector<std::string_view> texts(lines.begin() + begin, lines.begin() + begin + count);
    embedder.Embed(texts, std::span(vectors).subspan(begin * dim, count * dim), pool);
    progress.Add(count);
  }
  progress.Finish();
  WriteNpy(options.out, vectors, dim);
  if (globals.json) {
    return PrintJson({{"rows", lines.size()},
                      {"dim", dim},
                      {"encoder", embedder.fingerprint()},
                      {"precision", EncoderPrecisionName(embedder.precision())}});
  }
  std::cout << fmt::format("{}: {} x {} float32\n", options.out, lines.size(), dim);
}

}  // namespace

void AddEmbed(CLI::App& app, const GlobalOptions& globals) {
  auto* embed = app.add_subcommand("embed", "Embed each line of a text into a row of a .npy file");
  auto options = std::make_shared<EmbedOptions>();
  embed->add_option("--encoder", options->encoder, "Folder of the encoder")->required()->envname("RETRO_ENCODER");
  embed->add_option("--input", options->input, "A file of lines; - for stdin")->capture_default_str();
  embed->add_option("--out", options->out, "The .npy file to write (float32, rows in the order of the lines)")
      ->required();
  AddPrecisionOption(*embed, options->precision,
                     "What the encoder computes in: fp32, or int8, which is quicker and near it; default: fp32");
  embed->callback([options, &globals] { Embed(*options, globals); });
}

}  // namespace retro::cli
