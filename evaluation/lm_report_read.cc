// Reading what evaluations and training runs left. The files may come from anyone.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "evaluation/lm_report.h"

namespace retro {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFormatVersion = 1;
constexpr size_t kMaxBytes = size_t{1} << 31;

double NumberOrNaN(const json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || found->is_null()) return std::numeric_limits<double>::quiet_NaN();
  return found->get<double>();
}

LmReportSums ToSums(const json& sums) {
  return {NumberOrNaN(sums, "bits_per_byte"),
          NumberOrNaN(sums, "byte_perplexity"),
          NumberOrNaN(sums, "word_perplexity"),
          NumberOrNaN(sums, "token_perplexity"),
          sums.at("documents"),
          sums.at("chunks"),
          sums.at("tokens"),
          sums.at("bytes")};
}

LmReportArm ToArm(const json& object, const json& documents) {
  LmReportArm arm{.name = object.at("name"),
                  .kind = object.at("kind"),
                  .k = object.at("k"),
                  .db_fraction = object.at("db_fraction"),
                  .neighbours_a_chunk = object.at("neighbours").get<double>() / object.at("queries").get<double>(),
                  .total = ToSums(object.at("total")),
                  .sources = {},
                  .overlaps = {},
                  .nats = {}};
  for (const auto& [source, sums] : object.at("sources").items()) arm.sources.emplace(source, ToSums(sums));
  if (object.contains("overlaps")) {
    for (const json& row : object.at("overlaps")) arm.overlaps.emplace_back(row.at("max_overlap"), ToSums(row));
  }
  for (const json& document : documents) arm.nats.push_back(document.at("nats").at(arm.name));
  return arm;
}

LmReportDifference ToDifference(const json& object) {
  LmReportDifference difference{.arm = object.at("arm"),
                                .reference = object.at("reference"),
                                .scope = object.at("scope"),
                                .bits_per_byte = NumberOrNaN(object, "bits_per_byte"),
                                .relative = NumberOrNaN(object, "relative"),
                                .interval = {}};
  if (!object.at("low").is_null()) difference.interval = {object.at("low"), object.at("high")};
  return difference;
}

std::string AsText(const json& value) {
  if (value.is_string()) return value;
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const json& item : value) text += (text.empty() ? "" : ", ") + AsText(item);
  return text;
}

void ReadSettings(const json& root, LmReportRun& run) {
  for (const auto& [name, value] : root.at("config").items()) run.settings.emplace_back(name, AsText(value));
  for (const char* section : {"input", "database"}) {
    for (const auto& [name, value] : root.at("lm").at(section).items()) {
      run.settings.emplace_back(fmt::format("{} {}", section, name), AsText(value));
    }
  }
  run.bootstrap = {root.at("config").at("bootstrap_samples"), root.at("config").at("confidence"),
                   root.at("config").at("seed")};
  if (run.bootstrap.num_samples < 1 || !(run.bootstrap.confidence > 0 && run.bootstrap.confidence < 1)) {
    throw std::out_of_range("bootstrap_samples or confidence cannot be");
  }
}

LmReportRun ToRun(const json& root) {
  const json& lm = root.at("lm");
  if (lm.at("format_version") != kFormatVersion) throw std::out_of_range("its format_version is another one");
  if (!lm.at("documents").is_array()) throw std::out_of_range("its documents are no list");
  LmReportRun run;
  run.name = root.at("model_name");
  run.interrupted = lm.at("interrupted");
  ReadSettings(root, run);
  for (const json& arm : lm.at("arms")) run.arms.push_back(ToArm(arm, lm.at("documents")));
  if (run.arms.empty()) throw std::out_of_range("it has no arm");
  for (const json& difference : lm.at("differences")) run.differences.push_back(ToDifference(difference));
  for (const json& document : lm.at("documents")) run.documents.emplace_back(document.at("id"), document.at("bytes"));
  if (lm.contains("overlap_histogram")) {
    for (const json& bin : lm.at("overlap_histogram")) {
      run.histogram.push_back({bin.at("low"), bin.at("high"), bin.at("chunks"), bin.at("bytes")});
    }
  }
  if (lm.at("database").is_object()) run.database_chunks = lm.at("database").at("chunks");
  return run;
}

// The measures of one metrics.jsonl, each a curve, made when it is first met.
class Curves {
 public:
  explicit Curves(std::string run) : run_(std::move(run)) {}

  void Add(const json& line) {
    if (!line.is_object() || !line.contains("step") || !line["step"].is_number()) return;
    AddMeasures(line["step"], line, "training", false);
    if (!line.contains("valid") || !line["valid"].is_object()) return;
    for (const auto& [arm, measures] : line["valid"].items()) {
      AddMeasures(line["step"], measures, fmt::format("validation, {}", arm), true);
    }
  }

  std::vector<TrainingCurve> Take() { return std::move(curves_); }

 private:
  void AddMeasures(double step, const json& measures, const std::string& part, bool validation) {
    if (!measures.is_object()) return;
    for (const auto& [field, measure] : {std::pair("bpb", "bits per byte"), std::pair("loss", "loss")}) {
      const auto found = measures.find(field);
      if (found == measures.end() || !found->is_number()) continue;
      CurveOf(part, measure, validation).points.emplace_back(step, found->get<double>());
    }
  }

  TrainingCurve& CurveOf(const std::string& part, const char* measure, bool validation) {
    const std::string name = fmt::format("{} {}", run_, part);
    for (TrainingCurve& curve : curves_) {
      if (curve.name == name && curve.measure == measure) return curve;
    }
    return curves_.emplace_back(TrainingCurve{name, measure, validation, {}});
  }

  std::string run_;
  std::vector<TrainingCurve> curves_;
};

}  // namespace

LmReportRun ReadLmResults(const fs::path& path) {
  const std::string text = ReadFile(path, kMaxBytes);
  try {
    return ToRun(json::parse(text));
  } catch (const json::exception& error) {
    Throw(ErrorCode::kCorruption, "{} is no result of retro eval lm: {}", path.string(), error.what());
  } catch (const std::out_of_range& error) {
    Throw(ErrorCode::kCorruption, "{} is no result of retro eval lm: {}", path.string(), error.what());
  }
}

std::vector<TrainingCurve> ReadTrainingCurves(const fs::path& path) {
  const fs::path folder = fs::absolute(path).parent_path().filename();
  Curves curves(folder.empty() ? path.filename().string() : folder.string());
  std::istringstream lines(ReadFile(path, kMaxBytes));
  for (std::string line; std::getline(lines, line);) curves.Add(json::parse(line, nullptr, false));
  std::vector<TrainingCurve> read = curves.Take();
  if (read.empty()) {
    Throw(ErrorCode::kInvalidArgument,
          "{} has no line with a step and a loss; give the metrics.jsonl of a training run", path.string());
  }
  return read;
}

}  // namespace retro
