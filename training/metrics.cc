#include "training/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"

namespace retro {
namespace {

using nlohmann::json;

double SecondsSince1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

json ToJson(const ValidationMetrics::Arm& arm) { return {{"loss", arm.loss}, {"bpb", arm.bits_per_byte}}; }

// A line that a killed process left unfinished is dropped with those of later steps.
std::string LinesUntil(const std::string& text, int64_t step) {
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const json parsed = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (parsed.is_object() && parsed.value("step", std::numeric_limits<int64_t>::max()) <= step) kept += line + "\n";
  }
  return kept;
}

// Keeps what a resumed run had written before.
Descriptor OpenMetrics(const std::filesystem::path& path, int64_t resumed_step) {
  std::error_code ignored;
  const std::string before = resumed_step > 0 && std::filesystem::exists(path, ignored)
                                 ? ReadFile(path, std::numeric_limits<size_t>::max())
                                 : "";
  WriteFileAtomically(path, LinesUntil(before, resumed_step));
  const int number = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (number < 0) ThrowErrno(errno, "open", path.string());
  return Descriptor(number);
}

}  // namespace

std::string Line(const StepMetrics& metrics, int64_t steps) {
  return fmt::format(
      "step {}/{}  loss {:.4f}  bpb {:.4f}  lr {:.2e}  grad {:.3f}  {} tokens/s  {:.0f} % of peak  {} left{}",
      metrics.step, steps, metrics.loss, metrics.bits_per_byte, metrics.learning_rate, metrics.gradient_norm,
      FormatCount(static_cast<uint64_t>(metrics.tokens_per_second)), 100 * metrics.peak_share,
      FormatDuration(metrics.seconds_left), metrics.skipped ? "  SKIPPED" : "");
}

std::string Line(const ValidationMetrics& metrics) {
  std::string line = fmt::format("step {}  validation", metrics.step);
  if (metrics.on) {
    line += fmt::format("  with neighbours: loss {:.4f}  bpb {:.4f}  without:", metrics.on->loss,
                        metrics.on->bits_per_byte);
  }
  return line + fmt::format("  loss {:.4f}  bpb {:.4f}", metrics.off.loss, metrics.off.bits_per_byte);
}

json ToJson(const StepMetrics& metrics) {
  return {{"step", metrics.step},
          {"tokens", metrics.tokens},
          {"loss", metrics.loss},
          {"bpb", metrics.bits_per_byte},
          {"lr", metrics.learning_rate},
          {"grad_norm", metrics.gradient_norm},
          {"skipped", metrics.skipped},
          {"tokens_per_s", metrics.tokens_per_second},
          {"peak_share", metrics.peak_share}};
}

json ToJson(const ValidationMetrics& metrics) {
  json valid = {{"off", ToJson(metrics.off)}};
  if (metrics.on) valid["on"] = ToJson(*metrics.on);
  return {{"step", metrics.step}, {"valid", valid}};
}

MetricsLog::MetricsLog(const std::filesystem::path& folder, int64_t resumed_step)
    : path_(folder / "metrics.jsonl"),
      file_(OpenMetrics(path_, resumed_step)),
      tensorboard_(folder / "tensorboard", resumed_step + 1, SecondsSince1970()) {}

void MetricsLog::AppendLine(const json& json) {
  const std::string line = json.dump() + "\n";
  file_.WriteAll(std::as_bytes(std::span(line)), path_);
}

void MetricsLog::Add(const StepMetrics& metrics) {
  AppendLine(ToJson(metrics));
  const Scalar scalars[] = {{"train/loss", static_cast<float>(metrics.loss)},
                            {"train/bpb", static_cast<float>(metrics.bits_per_byte)},
                            {"train/lr", static_cast<float>(metrics.learning_rate)},
                            {"train/grad_norm", static_cast<float>(metrics.gradient_norm)},
                            {"train/tokens_per_s", static_cast<float>(metrics.tokens_per_second)}};
  tensorboard_.Add(metrics.step, SecondsSince1970(), scalars);
}

void MetricsLog::Add(const ValidationMetrics& metrics) {
  AppendLine(ToJson(metrics));
  std::vector<Scalar> scalars = {{"valid/loss", static_cast<float>(metrics.off.loss)},
                                 {"valid/bpb", static_cast<float>(metrics.off.bits_per_byte)}};
  if (metrics.on) {
    scalars.push_back({"valid_with_neighbours/loss", static_cast<float>(metrics.on->loss)});
    scalars.push_back({"valid_with_neighbours/bpb", static_cast<float>(metrics.on->bits_per_byte)});
  }
  tensorboard_.Add(metrics.step, SecondsSince1970(), scalars);
}

}  // namespace retro
