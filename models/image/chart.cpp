// Training curves: choose round ticks, map data to pixels, draw axes, then curves, then the legend.

#include "models/image/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "models/image/text.h"

namespace tapeline {

namespace {

constexpr Colour kText{60, 64, 72}, kFaint{226, 229, 235}, kFrame{168, 174, 184};
constexpr std::array<Colour, 6> kInks = {
    {{37, 99, 235}, {234, 88, 12}, {22, 140, 90}, {190, 24, 93}, {109, 62, 190}, {120, 113, 30}}};
constexpr float kSize = 9;  // height of a capital
constexpr int kLeft = 64, kRight = 24, kTop = 34, kBottom = 24, kXLabel = 22;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;

  bool empty() const { return low > high; }
  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// 1, 2 or 5 times a power of ten: the step that gives at most `count` ticks.
double round_step(double span, int count) {
  const double raw = span / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= raw * 0.999) return factor * power;
  return 10 * power;
}

std::vector<double> linear_ticks(Range range, int count) {
  const double step = round_step(range.high - range.low, count);
  std::vector<double> ticks;
  for (double i = std::ceil(range.low / step - 1e-9);
       i * step <= range.high + step * 1e-9 && ticks.size() < 64; ++i)
    ticks.push_back(i * step);
  return ticks;
}

/// Powers of ten, with their multiples by 2 and 5 where few decades are in sight. `range` holds logarithms.
std::vector<double> log_ticks(Range range) {
  std::vector<double> ticks;
  const double decades = range.high - range.low;
  for (double power = std::floor(range.low); power <= range.high && ticks.size() < 64;
       power += std::max(1.0, std::floor(decades / 6)))
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = power + std::log10(factor);
      if (factor > 1 && decades > 2.5) break;
      if (tick >= range.low - 1e-9 && tick <= range.high + 1e-9) ticks.push_back(tick);
    }
  return ticks;
}

std::string number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6 && std::fmod(value, 1e5) == 0) return fmt::format("{:g}M", value / 1e6);
  if (size >= 1e4 && std::fmod(value, 100) == 0) return fmt::format("{:g}k", value / 1e3);
  return fmt::format("{:.4g}", size < 1e-12 ? 0.0 : value);
}

/// Rounds the ends of a range outwards so that no curve runs along the frame.
Range widened(Range range) {
  if (range.empty()) return {0, 1};
  const double span = range.high - range.low;
  const double margin = span > 0 ? 0.04 * span : std::max(0.5, std::abs(range.high) * 0.1);
  return {range.low - margin, range.high + margin};
}

class Plot {
 public:
  Plot(Image& image, const Panel& panel, Range x_range, int top, int bottom)
      : image_(image), panel_(panel), x_range_(x_range), top_(top), bottom_(bottom) {
    Range range;
    for (const Series& series : panel.series)
      for (const auto& [x, y] : series.points)
        if (drawable(x, y)) range.include(scale(y));
    y_range_ = panel.unit_range ? Range{0, 1} : widened(range);
  }

  void draw() {
    draw_text(image_, kLeft, static_cast<float>(top_ - 12), panel_.title, kSize + 1, kText);
    draw_axes();
    for (std::size_t i = 0; i < panel_.series.size(); ++i)
      draw_series(panel_.series[i], kInks[i % kInks.size()]);
    draw_legend();
  }

 private:
  bool drawable(double x, double y) const {
    return std::isfinite(x) && std::isfinite(y) && (!panel_.log_y || y > 0);
  }
  double scale(double y) const { return panel_.log_y ? std::log10(y) : y; }
  int right() const { return image_.width - kRight; }

  float x_pixel(double x) const {
    return static_cast<float>(kLeft +
                              (x - x_range_.low) / (x_range_.high - x_range_.low) * (right() - kLeft));
  }
  float y_pixel(double scaled) const {
    const double share = (scaled - y_range_.low) / (y_range_.high - y_range_.low);
    return static_cast<float>(bottom_ - std::clamp(share, 0.0, 1.0) * (bottom_ - top_));
  }

  std::string y_text(double tick) const {
    if (panel_.unit_range) return fmt::format("{:.0f} %", std::abs(tick) * 100);
    return number(panel_.log_y ? std::pow(10.0, tick) : tick);
  }

  void draw_axes() {
    const int height = bottom_ - top_, width = right() - kLeft;
    const auto ticks = panel_.log_y ? log_ticks(y_range_) : linear_ticks(y_range_, std::max(2, height / 42));
    for (const double tick : ticks) {
      const float y = y_pixel(tick);
      fill_rectangle(image_, kLeft, static_cast<int>(y), width, 1, kFaint);
      const std::string text = y_text(tick);
      draw_text(image_, kLeft - 5 - text_width(text, kSize), y + kSize / 2, text, kSize, kText);
    }
    for (const double tick : linear_ticks(x_range_, std::max(2, width / 90))) {
      const float x = x_pixel(tick);
      fill_rectangle(image_, static_cast<int>(x), top_, 1, height, kFaint);
      const std::string text = number(tick);
      draw_text(image_, x - text_width(text, kSize) / 2 + 1, static_cast<float>(bottom_) + 16, text, kSize,
                kText);
    }
    fill_rectangle(image_, kLeft, bottom_, width, 1, kFrame);
    fill_rectangle(image_, kLeft, top_, 1, height, kFrame);
  }

  void draw_series(const Series& series, Colour colour) {
    std::vector<Point> line;
    for (const auto& [x, y] : series.points)
      if (drawable(x, y)) line.push_back({x_pixel(x), y_pixel(scale(y))});
    draw_polyline(image_, line, 2, colour, 0.9f);
    if (line.size() <= 40)
      for (const Point point : line) draw_polyline(image_, {&point, 1}, 5, colour);
  }

  /// On the line of the title, from the right.
  void draw_legend() {
    float x = static_cast<float>(right());
    const float y = static_cast<float>(top_ - 12);
    for (std::size_t i = panel_.series.size(); i-- > 0;) {
      const std::string& name = panel_.series[i].name;
      x -= text_width(name, kSize);
      draw_text(image_, x, y, name, kSize, kText);
      const Point sample[] = {{x - 24, y - kSize / 2}, {x - 8, y - kSize / 2}};
      draw_polyline(image_, sample, 3, kInks[i % kInks.size()]);
      x -= 40;
    }
  }

  Image& image_;
  const Panel& panel_;
  Range x_range_, y_range_;
  int top_, bottom_;
};

}  // namespace

Image line_chart(const std::vector<Panel>& panels, const std::string& x_label, int width, int height) {
  const int count = static_cast<int>(panels.size());
  if (count == 0 || width < 160 || height < 120 * count)
    throw Error(
        "cannot draw a chart of {} panels in {} x {} pixels: give one panel or more, and 160 x 120 for each",
        count, width, height);
  Range x_range;
  for (const Panel& panel : panels)
    for (const Series& series : panel.series)
      for (const auto& [x, y] : series.points)
        if (std::isfinite(x) && std::isfinite(y)) x_range.include(x);
  if (x_range.empty()) x_range = {0, 1};
  if (x_range.low == x_range.high) x_range = {x_range.low - 0.5, x_range.high + 0.5};

  Image image(width, height, 3);
  const int room = (height - kXLabel) / count;
  for (int i = 0; i < count; ++i)
    Plot(image, panels[i], x_range, i * room + kTop, (i + 1) * room - kBottom).draw();
  draw_text(image, static_cast<float>(width - kRight) - text_width(x_label, kSize),
            static_cast<float>(height - 12), x_label, kSize, kText);
  return image;
}

}  // namespace tapeline
