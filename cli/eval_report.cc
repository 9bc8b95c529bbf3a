// retro eval report: the results of one or several runs as one page with plots.
#include "cli/eval.h"
#include "core/error.h"
#include "core/file.h"
#include "evaluation/lm_report.h"

namespace retro::cli {
namespace {

struct EvalReportOptions {
  std::vector<std::string> results, metrics;
  std::string out;
};

void Report(const EvalReportOptions& options) {
  if (options.results.empty() && options.metrics.empty()) {
    Throw(ErrorCode::kInvalidArgument,
          "there is nothing to report; give results with --in or training runs with --metrics");
  }
  std::vector<LmReportRun> runs;
  for (const std::string& path : options.results) runs.push_back(ReadLmResults(path));
  std::vector<TrainingCurve> curves;
  for (const std::string& path : options.metrics) {
    for (TrainingCurve& curve : ReadTrainingCurves(path)) curves.push_back(std::move(curve));
  }
  WriteFileAtomically(options.out, LmReportHtml(runs, curves));
}

}  // namespace

void AddEvalReport(CLI::App& eval, const GlobalOptions&) {
  auto* report = eval.add_subcommand("report", "One HTML page with the plots of evaluations and training runs");
  auto options = std::make_shared<EvalReportOptions>();
  report->add_option("--in", options->results,
                     "Results that retro eval lm wrote; the first arm of the first file is the "
                     "one that all others are compared with");
  report->add_option("--metrics", options->metrics, "metrics.jsonl files of training runs, for their curves");
  report->add_option("--out", options->out, "The page to write")->required();
  report->callback([options] { Report(*options); });
}

}  // namespace retro::cli
