// Plots as inline SVG, for pages that load nothing from elsewhere. Colours are the page's: classes s0 … s7 for series.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace retro {

struct PlotPoint {
  double x = 0, y = 0;
  std::string label = {};  // shown when pointed at; empty: the numbers
};

struct PlotSeries {
  std::string name;
  std::vector<PlotPoint> points;  // in the order of x; those that are not finite are left out
  bool dashed = false;            // a reference, without marks
};

struct PlotAxes {
  std::string title, x_label, y_label;
  bool log_x = false;  // REQUIRES: every x above 0
};

// Series as lines with marks and a legend. Any text is escaped. A plot without a finite point says that it has none.
std::string LinePlotSvg(const std::vector<PlotSeries>& series, const PlotAxes& axes);

// One bar for each pair of name and height >= 0, from left to right, heights from 0.
std::string BarPlotSvg(const std::vector<std::pair<std::string, double>>& bars, const PlotAxes& axes);

// Round numbers, at least two, that span [low, high] in about `count` equal steps. REQUIRES: low and high are finite
std::vector<double> AxisTicks(double low, double high, int count);

// & < > " and ' as entities.
std::string EscapeHtml(std::string_view text);

}  // namespace retro
