#include "evaluation/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace retro {
namespace {

constexpr double kWidth = 720, kHeight = 340;
constexpr double kLeft = 64, kRight = 16, kTop = 40, kBottom = 52;
constexpr size_t kNumColours = 8;
constexpr int kMostMarks = 60;  // of a series; more would be a smear
constexpr double kLegendLine = 16;

bool IsFinite(const PlotPoint& point) { return std::isfinite(point.x) && std::isfinite(point.y); }

// From numbers to places on the page.
class Scale {
 public:
  Scale(double low, double high, double from, double to, bool log)
      : low_(log ? std::log10(low) : low), high_(log ? std::log10(high) : high), from_(from), to_(to), log_(log) {}

  double operator()(double value) const {
    const double at = log_ ? std::log10(value) : value;
    return high_ == low_ ? (from_ + to_) / 2 : from_ + (at - low_) / (high_ - low_) * (to_ - from_);
  }

 private:
  double low_, high_, from_, to_;
  bool log_;
};

std::string Tick(double value) {
  const double size = std::abs(value);
  if (size >= 1e9) return fmt::format("{:g} G", value / 1e9);
  if (size >= 1e6) return fmt::format("{:g} M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:g} k", value / 1e3);
  return fmt::format("{:.6g}", std::abs(value) < 1e-12 ? 0.0 : value);
}

class Svg {
 public:
  Svg(const PlotAxes& axes, double legend_height) : height_(kHeight + legend_height) {
    text_ = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth, height_,
                        EscapeHtml(axes.title));
    Text(kLeft, 20, "start", "title", axes.title);
    Text((kLeft + kWidth - kRight) / 2, kHeight - 10, "middle", "label", axes.x_label);
    text_ += fmt::format(
        "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(14 {}) rotate(-90)\">{}</text>\n",
        (kTop + kHeight - kBottom) / 2, EscapeHtml(axes.y_label));
  }

  void Text(double x, double y, const char* anchor, const char* style, std::string_view text) {
    text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y, anchor,
                         style, EscapeHtml(text));
  }
  void Line(double x1, double y1, double x2, double y2, const char* style) {
    text_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1, x2,
                         y2, style);
  }
  void YAxis(const std::vector<double>& ticks, const Scale& y) {
    for (const double tick : ticks) {
      Line(kLeft, y(tick), kWidth - kRight, y(tick), "grid");
      Text(kLeft - 8, y(tick) + 4, "end", "tick", Tick(tick));
    }
  }
  void XTick(double at, std::string_view name) {
    Line(at, kHeight - kBottom, at, kHeight - kBottom + 5, "axis");
    Text(at, kHeight - kBottom + 19, "middle", "tick", name);
  }
  void Append(std::string_view svg) { text_ += svg; }
  std::string Finish() {
    Line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis");
    return std::move(text_) + "</svg>\n";
  }

 private:
  double height_;
  std::string text_;
};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

std::string Nothing(const PlotAxes& axes) {
  Svg svg(axes, 0);
  svg.Text(kWidth / 2, kHeight / 2, "middle", "label", "no data");
  return svg.Finish();
}

// For few values of x those themselves, so that a sweep shows the points that were measured.
std::vector<double> XTicks(const std::vector<PlotSeries>& series, const Range& range, bool log) {
  std::vector<double> values;
  for (const PlotSeries& one : series) {
    for (const PlotPoint& point : one.points) {
      if (IsFinite(point) && !one.dashed) values.push_back(point.x);
    }
  }
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (!values.empty() && values.size() <= 10) return values;
  if (!log) return AxisTicks(range.low, range.high, 8);
  std::vector<double> powers;
  for (double power = std::pow(10, std::floor(std::log10(range.low))); power <= range.high; power *= 10) {
    if (power >= range.low) powers.push_back(power);
  }
  return powers;
}

void DrawSeries(const PlotSeries& series, size_t number, const Scale& x, const Scale& y, Svg& svg) {
  std::string path, marks;
  const size_t step = 1 + series.points.size() / kMostMarks;
  for (size_t i = 0; i < series.points.size(); ++i) {
    const PlotPoint& point = series.points[i];
    if (!IsFinite(point)) continue;
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x(point.x), y(point.y));
    if (series.dashed || i % step != 0) continue;
    const std::string label = point.label.empty() ? fmt::format("{:g}: {:.4f}", point.x, point.y) : point.label;
    marks +=
        fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" class=\"mark s{}\"><title>{}</title></circle>\n",
                    x(point.x), y(point.y), number % kNumColours, EscapeHtml(series.name + ", " + label));
  }
  svg.Append(fmt::format("<path d=\"{}\" class=\"line s{}{}\"/>\n", path, number % kNumColours,
                         series.dashed ? " dashed" : ""));
  svg.Append(marks);
}

void DrawLegend(const std::vector<PlotSeries>& series, Svg& svg) {
  for (size_t i = 0; i < series.size(); ++i) {
    const double at = kHeight + 8 + kLegendLine * static_cast<double>(i);
    svg.Append(fmt::format("<path d=\"M{} {} h24\" class=\"line s{}{}\"/>\n", kLeft, at - 4, i % kNumColours,
                           series[i].dashed ? " dashed" : ""));
    svg.Text(kLeft + 32, at, "start", "tick", series[i].name);
  }
}

}  // namespace

std::vector<double> AxisTicks(double low, double high, int count) {
  if (high <= low) {
    const double pad = low == 0 ? 1 : std::abs(low) * 0.05;
    low -= pad;
    high += pad;
  }
  const double rough = (high - low) / count, power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.5, 2.0, 1.0}) {
    if (factor * power >= rough) step = factor * power;
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string LinePlotSvg(const std::vector<PlotSeries>& series, const PlotAxes& axes) {
  Range x_range, y_range;
  for (const PlotSeries& one : series) {
    for (const PlotPoint& point : one.points) {
      if (!IsFinite(point)) continue;
      x_range.Add(point.x);
      y_range.Add(point.y);
    }
  }
  if (x_range.low > x_range.high) return Nothing(axes);
  const std::vector<double> y_ticks = AxisTicks(y_range.low, y_range.high, 6);
  const Scale x(x_range.low, x_range.high, kLeft + 12, kWidth - kRight - 12, axes.log_x);
  const Scale y(y_ticks.front(), y_ticks.back(), kHeight - kBottom, kTop, false);
  Svg svg(axes, 8 + kLegendLine * static_cast<double>(series.size()));
  svg.YAxis(y_ticks, y);
  for (const double tick : XTicks(series, x_range, axes.log_x)) {
    if (tick >= x_range.low && tick <= x_range.high) svg.XTick(x(tick), Tick(tick));
  }
  for (size_t i = 0; i < series.size(); ++i) DrawSeries(series[i], i, x, y, svg);
  DrawLegend(series, svg);
  return svg.Finish();
}

std::string BarPlotSvg(const std::vector<std::pair<std::string, double>>& bars, const PlotAxes& axes) {
  Range range;
  range.Add(0);
  for (const auto& [name, height] : bars) range.Add(height);
  if (bars.empty()) return Nothing(axes);
  const std::vector<double> ticks = AxisTicks(0, range.high, 5);
  const Scale y(ticks.front(), ticks.back(), kHeight - kBottom, kTop, false);
  Svg svg(axes, 0);
  svg.YAxis(ticks, y);
  const double room = (kWidth - kLeft - kRight) / static_cast<double>(bars.size());
  for (size_t i = 0; i < bars.size(); ++i) {
    const double left = kLeft + room * static_cast<double>(i), top = y(bars[i].second);
    svg.Append(fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"bar\"><title>{}: "
        "{:g}</title></rect>\n",
        left + room * 0.1, top, room * 0.8, kHeight - kBottom - top, EscapeHtml(bars[i].first), bars[i].second));
    if (bars.size() <= 8 || i % 2 == 0) svg.XTick(left + room / 2, bars[i].first);
  }
  return svg.Finish();
}

}  // namespace retro
