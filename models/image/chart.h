#pragma once

#include <string>
#include <utility>
#include <vector>

#include "models/image/draw.h"

namespace tapeline {

/// One curve: points in the order in which they are joined. What is not finite (or, on a log axis, not
/// positive) is left out.
struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x, y
};

/// One diagram with its own y axis.
struct Panel {
  std::string title;
  std::vector<Series> series;
  bool log_y = false;
  bool unit_range = false;  // y from 0 to 1, labelled in percent
};

/// Panels one below the other over the same x axis, for training curves: an RGB image of this size in pixels.
/// A panel without points is drawn empty. Needs at least one panel and 160 x 120 pixels for each.
Image line_chart(const std::vector<Panel>& panels, const std::string& x_label, int width = 900,
                 int height = 640);

}  // namespace tapeline
