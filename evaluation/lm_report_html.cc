// The page of `retro eval report`.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "evaluation/lm_report.h"
#include "evaluation/svg_plot.h"

namespace retro {
namespace {

// Colours of the series: Okabe and Ito's, which the colour-blind can tell apart.
constexpr std::string_view kStyle = R"(
:root { --ink: #1d2430; --soft: #5b6675; --paper: #ffffff; --rule: #e3e7ec; --band: #f6f8fa; --good: #00664b; --bad: #a33a00;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b8860b; --c5: #56b4e9; --c6: #6b4fbb; --c7: #4d4d4d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa6b5; --paper: #14181f; --rule: #2b323d;
  --band: #1b212a; --good: #3ddbab; --bad: #ff9d66; --c0: #56b4e9; --c1: #ff9d5c; --c2: #2fd3a3; --c3: #e6a3c9;
  --c4: #e8c14a; --c5: #9ad4f5; --c6: #a993f0; --c7: #b8bfc9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 60rem; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; } .soft, figcaption { color: var(--soft); font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; min-width: 60%; }
th, td { padding: .35rem .8rem .35rem 0; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text.wrap { white-space: normal; overflow-wrap: anywhere; }
tbody tr:hover { background: var(--band); } .good { color: var(--good); } .bad { color: var(--bad); }
figure { margin: 1rem 0 1.6rem; } svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); } svg text.title { font-size: 14px; font-weight: 600; fill: var(--ink); }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); } .line { fill: none; stroke-width: 2; } .dashed { stroke-dasharray: 6 5; }
.mark { stroke: none; } .bar { fill: var(--c0); } .bar:hover { opacity: .75; }
.line.s0 { stroke: var(--c0); } .mark.s0 { fill: var(--c0); } .line.s1 { stroke: var(--c1); } .mark.s1 { fill: var(--c1); }
.line.s2 { stroke: var(--c2); } .mark.s2 { fill: var(--c2); } .line.s3 { stroke: var(--c3); } .mark.s3 { fill: var(--c3); }
.line.s4 { stroke: var(--c4); } .mark.s4 { fill: var(--c4); } .line.s5 { stroke: var(--c5); } .mark.s5 { fill: var(--c5); }
.line.s6 { stroke: var(--c6); } .mark.s6 { fill: var(--c6); } .line.s7 { stroke: var(--c7); } .mark.s7 { fill: var(--c7); }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); }
)";

constexpr size_t kMostCurvePoints = 400;

std::string Number(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "–";
}

// Below 0 is better.
std::string SignedCell(double value, int digits, const char* unit) {
  if (!std::isfinite(value)) return "<td>–</td>";
  return fmt::format("<td class=\"{}\">{:+.{}f}{}</td>", value < 0 ? "good" : "bad", value, digits, unit);
}

std::string IntervalCell(const std::optional<Interval>& interval) {
  if (!interval) return "<td>–</td>";
  const char* style = interval->high < 0 ? "good" : (interval->low > 0 ? "bad" : "soft");
  return fmt::format("<td class=\"{}\">{:+.4f} … {:+.4f}</td>", style, interval->low, interval->high);
}

std::string TextCell(std::string_view text) { return fmt::format("<td class=\"text\">{}</td>", EscapeHtml(text)); }

class Table {
 public:
  // The first `num_text` columns are texts, the others numbers.
  Table(const std::vector<std::string>& columns, size_t num_text) {
    html_ = "<div class=\"scroll\"><table><thead><tr>";
    for (size_t i = 0; i < columns.size(); ++i) {
      html_ += fmt::format("<th{}>{}</th>", i < num_text ? " class=\"text\"" : "", EscapeHtml(columns[i]));
    }
    html_ += "</tr></thead><tbody>\n";
  }
  // `cells`: of this page's own making.
  void Row(const std::string& cells) { html_ += fmt::format("<tr>{}</tr>\n", cells); }
  std::string Finish() { return html_ + "</tbody></table></div>\n"; }

 private:
  std::string html_;
};

std::string Figure(const std::string& svg, std::string_view caption) {
  return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", svg, EscapeHtml(caption));
}

std::string ArmName(const std::vector<LmReportRun>& runs, const LmReportRun& run, const std::string& arm) {
  return runs.size() == 1 ? arm : fmt::format("{}: {}", run.name, arm);
}

// The arms of one figure: all but those of the sweeps.
bool IsMain(const LmReportArm& arm) { return arm.name == arm.kind; }

// Document by document, when both scored the same ones.
std::optional<std::vector<PairedNats>> Pairs(const LmReportRun& run, const LmReportArm& arm, const LmReportRun& other,
                                             const LmReportArm& reference) {
  if (run.documents != other.documents) return std::nullopt;
  std::vector<PairedNats> pairs;
  for (size_t d = 0; d < run.documents.size(); ++d) {
    pairs.push_back({arm.nats[d], reference.nats[d], run.documents[d].second});
  }
  return pairs;
}

std::string ArmsSection(const std::vector<LmReportRun>& runs) {
  const LmReportArm& reference = runs[0].arms[0];
  Table table({"model", "arm", "bits per byte", "difference", "interval", "relative", "byte perplexity",
               "word perplexity", "token perplexity", "neighbours a chunk"},
              2);
  for (const LmReportRun& run : runs) {
    for (const LmReportArm& arm : run.arms) {
      std::string difference = "<td>–</td><td>–</td><td>–</td>";
      const auto pairs = Pairs(run, arm, runs[0], reference);
      if (pairs && &arm != &reference) {
        const double bits = BitsPerByteDifference(*pairs);
        difference = SignedCell(bits, 4, "") + IntervalCell(BootstrapInterval(*pairs, runs[0].bootstrap)) +
                     SignedCell(100 * bits / reference.total.bits_per_byte, 2, " %");
      }
      table.Row(fmt::format("{}{}<td><b>{}</b></td>{}<td>{}</td><td>{}</td><td>{}</td><td>{}</td>", TextCell(run.name),
                            TextCell(arm.name), Number(arm.total.bits_per_byte, 4), difference,
                            Number(arm.total.byte_perplexity, 3), Number(arm.total.word_perplexity, 2),
                            Number(arm.total.token_perplexity, 2), Number(arm.neighbours_a_chunk, 2)));
    }
  }
  return fmt::format(
      "<h2>Arms</h2>\n<p>Bits per byte of whole documents; lower is better. Differences are from “{}”, with the {:g} % "
      "interval of a bootstrap over documents: one that holds 0 shows nothing. Where “random” or “other” help as much "
      "as "
      "“on”, it is not what was retrieved that helps.</p>\n{}",
      EscapeHtml(ArmName(runs, runs[0], reference.name)), 100 * runs[0].bootstrap.confidence, table.Finish());
}

std::string OverlapTable(const std::vector<LmReportRun>& runs) {
  Table table({"model", "arm", "overlap at most", "chunks", "tokens", "bytes", "bits per byte"}, 2);
  for (const LmReportRun& run : runs) {
    for (const LmReportArm& arm : run.arms) {
      for (const auto& [limit, sums] : arm.overlaps) {
        table.Row(fmt::format("{}{}<td>{:g}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>", TextCell(run.name),
                              TextCell(arm.name), limit, sums.chunks, sums.tokens, sums.bytes,
                              Number(sums.bits_per_byte, 4)));
      }
    }
  }
  return "<details><summary>The numbers</summary>\n" + table.Finish() + "</details>\n";
}

std::string OverlapSection(const std::vector<LmReportRun>& runs) {
  std::vector<PlotSeries> series;
  for (const LmReportRun& run : runs) {
    for (const LmReportArm& arm : run.arms) {
      if (arm.overlaps.empty() || !IsMain(arm)) continue;
      PlotSeries one{.name = ArmName(runs, run, arm.name), .points = {}};
      for (const auto& [limit, sums] : arm.overlaps) one.points.push_back({limit, sums.bits_per_byte});
      series.push_back(std::move(one));
    }
  }
  if (series.empty()) return "";
  std::string html =
      "<h2>By overlap with the database</h2>\n<p>For each chunk the longest run of tokens that it shares with one of "
      "its ten "
      "nearest database chunks, as a share r of the chunk. At r ≤ 0.125 there is no local leakage: a gain there is not "
      "copying.</p>\n";
  html += Figure(LinePlotSvg(series, {"Bits per byte of chunks with overlap r ≤ α", "α", "bits per byte"}),
                 "At α = 1 every chunk counts.");
  for (const LmReportRun& run : runs) {
    std::vector<std::pair<std::string, double>> bars;
    for (const LmReportBin& bin : run.histogram) {
      bars.emplace_back(fmt::format("{:.2f}–{:.2f}", bin.low, bin.high), static_cast<double>(bin.chunks));
    }
    if (bars.empty()) continue;
    for (size_t i = 0; i < bars.size(); ++i) bars[i].first = fmt::format("{:.2f}", run.histogram[i].low);
    html += Figure(BarPlotSvg(bars, {"Chunks by overlap r: " + run.name, "r, from", "chunks"}),
                   "Most chunks of clean held-out text lie on the left.");
  }
  return html + OverlapTable(runs);
}

// "on" of a run by what a sweep varies, the other arms as dashed lines.
std::string SweepPlot(const std::vector<LmReportRun>& runs, const PlotAxes& axes, std::string_view caption,
                      const std::function<std::optional<double>(const LmReportRun&, const LmReportArm&)>& place) {
  std::vector<PlotSeries> sweeps, references;
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const LmReportRun& run : runs) {
    PlotSeries sweep{.name = ArmName(runs, run, "on"), .points = {}};
    for (const LmReportArm& arm : run.arms) {
      if (const auto x = arm.kind == "on" ? place(run, arm) : std::nullopt)
        sweep.points.push_back({*x, arm.total.bits_per_byte});
    }
    if (sweep.points.size() < 2) continue;
    std::ranges::sort(sweep.points, {}, &PlotPoint::x);
    low = std::min(low, sweep.points.front().x);
    high = std::max(high, sweep.points.back().x);
    sweeps.push_back(std::move(sweep));
    for (const LmReportArm& arm : run.arms) {
      if (arm.kind == "on") continue;
      references.push_back(
          {ArmName(runs, run, arm.name), {{0, arm.total.bits_per_byte}, {1, arm.total.bits_per_byte}}, true});
    }
  }
  if (sweeps.empty()) return "";
  for (PlotSeries& reference : references) {
    reference.points[0].x = low;
    reference.points[1].x = high;
    sweeps.push_back(std::move(reference));
  }
  return Figure(LinePlotSvg(sweeps, axes), caption);
}

std::string SweepSection(const std::vector<LmReportRun>& runs) {
  const auto main_k = [](const LmReportRun& run) {
    for (const LmReportArm& arm : run.arms) {
      if (arm.name == "on") return arm.k;
    }
    return 0;
  };
  const std::string by_k = SweepPlot(runs, {"Number of neighbours", "neighbours of a chunk (k)", "bits per byte", true},
                                     "More neighbours than in training may help at evaluation, up to a point.",
                                     [](const LmReportRun&, const LmReportArm& arm) {
                                       return arm.db_fraction == 1 ? std::optional<double>(arm.k) : std::nullopt;
                                     });
  const std::string by_size =
      SweepPlot(runs, {"Size of the database", "chunks (of documents kept at random)", "bits per byte", true},
                "Smaller databases are what is left when documents are dropped from what one search found.",
                [&](const LmReportRun& run, const LmReportArm& arm) {
                  const double chunks = arm.db_fraction * static_cast<double>(run.database_chunks);
                  return arm.k == main_k(run) && chunks > 0 ? std::optional<double>(chunks) : std::nullopt;
                });
  return by_k.empty() && by_size.empty() ? "" : "<h2>Sweeps</h2>\n" + by_k + by_size;
}

std::string SourceSection(const std::vector<LmReportRun>& runs) {
  Table table({"model", "arm", "source", "documents", "bytes", "bits per byte"}, 3);
  bool several = false;
  for (const LmReportRun& run : runs) {
    for (const LmReportArm& arm : run.arms) {
      several |= arm.sources.size() > 1;
      for (const auto& [source, sums] : arm.sources) {
        table.Row(fmt::format("{}{}{}<td>{}</td><td>{}</td><td>{}</td>", TextCell(run.name), TextCell(arm.name),
                              TextCell(source), sums.documents, sums.bytes, Number(sums.bits_per_byte, 4)));
      }
    }
  }
  return several ? "<h2>By source</h2>\n" + table.Finish() : "";
}

std::string DifferenceSection(const std::vector<LmReportRun>& runs) {
  Table table({"model", "arm", "against", "over", "bits per byte", "interval", "relative"}, 4);
  bool any = false;
  for (const LmReportRun& run : runs) {
    for (const LmReportDifference& difference : run.differences) {
      any = true;
      table.Row(TextCell(run.name) + TextCell(difference.arm) + TextCell(difference.reference) +
                TextCell(difference.scope) + SignedCell(difference.bits_per_byte, 4, "") +
                IntervalCell(difference.interval) + SignedCell(100 * difference.relative, 2, " %"));
    }
  }
  return any ? "<h2>Differences within a model</h2>\n" + table.Finish() : "";
}

// Long curves become the means of runs of steps.
PlotSeries ToSeries(const TrainingCurve& curve) {
  PlotSeries series{.name = curve.name, .points = {}};
  const size_t run = 1 + curve.points.size() / kMostCurvePoints;
  for (size_t begin = 0; begin < curve.points.size(); begin += run) {
    const size_t end = std::min(begin + run, curve.points.size());
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) {
      x += curve.points[i].first;
      y += curve.points[i].second;
    }
    const auto count = static_cast<double>(end - begin);
    series.points.push_back({x / count, y / count});
  }
  return series;
}

std::string TrainingSection(const std::vector<TrainingCurve>& curves) {
  std::string html;
  for (const char* measure : {"bits per byte", "loss"}) {
    for (const bool validation : {true, false}) {
      std::vector<PlotSeries> series;
      for (const TrainingCurve& curve : curves) {
        if (curve.measure == measure && curve.validation == validation) series.push_back(ToSeries(curve));
      }
      if (series.empty()) continue;
      const std::string title = fmt::format("{}, {}", validation ? "Validation" : "Training", measure);
      html += Figure(LinePlotSvg(series, {title, "step", measure}), "");
    }
  }
  return html.empty() ? "" : "<h2>Training</h2>\n" + html;
}

std::string SettingsSection(const std::vector<LmReportRun>& runs) {
  std::string html = runs.empty() ? "" : "<h2>How it was measured</h2>\n";
  for (const LmReportRun& run : runs) {
    Table table({"setting", "value"}, 2);
    for (const auto& [name, value] : run.settings) {
      table.Row(TextCell(name) + fmt::format("<td class=\"text wrap\">{}</td>", EscapeHtml(value)));
    }
    html += fmt::format("<details><summary>{}</summary>\n{}</details>\n", EscapeHtml(run.name), table.Finish());
  }
  return html;
}

std::string Head(const std::vector<LmReportRun>& runs) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<title>Language modelling with and without retrieval</title>\n<style>";
  html += kStyle;
  html += "</style></head><body>\n<h1>Language modelling with and without retrieval</h1>\n";
  for (const LmReportRun& run : runs) {
    const LmReportSums& size = run.arms[0].total;
    html += fmt::format("<p class=\"soft\">{}: {} documents, {} tokens, {} bytes{}</p>\n", EscapeHtml(run.name),
                        size.documents, size.tokens, size.bytes,
                        run.interrupted ? "; <b>interrupted</b>, only the first documents" : "");
  }
  return html;
}

}  // namespace

std::string LmReportHtml(const std::vector<LmReportRun>& runs, const std::vector<TrainingCurve>& curves) {
  std::string html = Head(runs);
  if (!runs.empty()) {
    html +=
        ArmsSection(runs) + OverlapSection(runs) + SweepSection(runs) + SourceSection(runs) + DifferenceSection(runs);
  }
  return html + TrainingSection(curves) + SettingsSection(runs) + "</body></html>\n";
}

}  // namespace retro
