#include "evaluation/svg_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace retro {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(AxisTicks, AreRoundAndSpanTheRange) {
  EXPECT_THAT(AxisTicks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  const auto ticks = AxisTicks(0.913, 0.987, 4);
  EXPECT_LE(ticks.front(), 0.913);
  EXPECT_GE(ticks.back(), 0.987);
  EXPECT_NEAR(ticks[1] - ticks[0], 0.02, 1e-12);
}

TEST(AxisTicks, OfOneValueSpanALittleAroundIt) {
  for (const double value : {0.0, 0.7, -3.0, 1e6}) {
    const auto ticks = AxisTicks(value, value, 5);
    ASSERT_GE(ticks.size(), 2u);
    EXPECT_LT(ticks.front(), value);
    EXPECT_GT(ticks.back(), value);
  }
}

TEST(EscapeHtml, LeavesNoMarkUp) {
  EXPECT_EQ(EscapeHtml("<b>\"R&D\"'</b>"), "&lt;b&gt;&quot;R&amp;D&quot;&#39;&lt;/b&gt;");
}

TEST(LinePlotSvg, DrawsAMarkForEachFinitePointAndEscapesNames) {
  const std::string svg = LinePlotSvg({{.name = "<x>", .points = {{1, 0.5}, {2, kNaN}, {4, 0.25}}},
                                       {.name = "reference", .points = {{1, 1}, {4, 1}}, .dashed = true}},
                                      {"A \"title\"", "x", "y", true});
  size_t marks = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) ++marks;
  EXPECT_EQ(marks, 2u);
  EXPECT_THAT(svg, HasSubstr("&lt;x&gt;"));
  EXPECT_THAT(svg, HasSubstr("A &quot;title&quot;"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, HasSubstr("dashed"));
}

TEST(LinePlotSvg, PutsLargerValuesHigherAndFurtherRight) {
  const std::string svg = LinePlotSvg({{.name = "s", .points = {{1, 0}, {3, 10}}}}, {"t", "x", "y"});
  const size_t path = svg.find("<path d=\"M");
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  ASSERT_EQ(std::sscanf(svg.c_str() + path, "<path d=\"M%lf %lf L%lf %lf", &x1, &y1, &x2, &y2), 4);
  EXPECT_LT(x1, x2);
  EXPECT_GT(y1, y2);
}

TEST(LinePlotSvg, WithoutAPointSaysSo) {
  EXPECT_THAT(LinePlotSvg({}, {"t", "x", "y"}), HasSubstr("no data"));
  EXPECT_THAT(LinePlotSvg({{.name = "s", .points = {{kNaN, 1}}}}, {"t", "x", "y"}), HasSubstr("no data"));
}

TEST(BarPlotSvg, DrawsABarForEachValue) {
  const std::string svg = BarPlotSvg({{"<a>", 3}, {"b", 0}}, {"t", "x", "y"});
  EXPECT_THAT(svg, HasSubstr("<title>&lt;a&gt;: 3</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>b: 0</title>"));
  EXPECT_THAT(BarPlotSvg({}, {"t", "x", "y"}), HasSubstr("no data"));
}

}  // namespace
}  // namespace retro
