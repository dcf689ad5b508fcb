#pragma once

#include <string_view>
#include <vector>

namespace tapeline {

struct Point {
  float x = 0, y = 0;
};

using Polyline = std::vector<Point>;

/// Reads a drawing written like an SVG path, "M0 0L5 10Q8 12 9 9C..Z": M moves, L draws a line, Q a quadratic
/// and C a cubic Bezier curve, Z closes; coordinates are absolute, y grows downwards. Each M begins a new
/// polyline; a lone M is a dot. A curve becomes `steps` pieces. An Error names the path and the place in it.
std::vector<Polyline> parse_path(std::string_view path, int steps = 8);

}  // namespace tapeline
