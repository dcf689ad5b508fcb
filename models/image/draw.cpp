// Antialiased shapes. A stroke is the distance to its capsules turned into coverage; a polygon accumulates
// the signed area that each edge leaves to its right, then sums along the rows.

#include "models/image/draw.h"

#include <algorithm>
#include <cmath>

namespace tapeline {

namespace {

struct Box {
  int left, top, right, bottom;  // right and bottom excluded
};

Box pixels_around(float left, float top, float right, float bottom, int width, int height) {
  const auto pixel = [](float value, int limit) {
    return static_cast<int>(std::clamp(value, 0.0f, static_cast<float>(limit)));
  };
  return {pixel(std::floor(left), width), pixel(std::floor(top), height), pixel(std::ceil(right), width),
          pixel(std::ceil(bottom), height)};
}

void stroke_capsule(Mask& mask, PenPoint a, PenPoint b) {
  const float reach = std::max(a.radius, b.radius) + 0.5f;
  const Box box =
      pixels_around(std::min(a.x, b.x) - reach, std::min(a.y, b.y) - reach, std::max(a.x, b.x) + reach,
                    std::max(a.y, b.y) + reach, mask.width, mask.height);
  const float dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
  const float inverse = length2 > 0 ? 1 / length2 : 0;
  for (int y = box.top; y < box.bottom; ++y)
    for (int x = box.left; x < box.right; ++x) {
      const float px = static_cast<float>(x) + 0.5f - a.x, py = static_cast<float>(y) + 0.5f - a.y;
      const float t = std::clamp((px * dx + py * dy) * inverse, 0.0f, 1.0f);
      const float ex = px - t * dx, ey = py - t * dy;
      const float radius = a.radius + t * (b.radius - a.radius);
      const float inside = std::clamp(radius + 0.5f - std::sqrt(ex * ex + ey * ey), 0.0f, 1.0f);
      // A hairline can never cover more of a pixel than its own width.
      const float covered = inside * std::min(1.0f, 2 * radius);
      float& old = mask.coverage[static_cast<std::size_t>(y) * mask.width + x];
      old = std::max(old, covered);
    }
}

/// Adds to `rows` (one column more than the mask) the signed area right of the edge from a to b, as
/// differences along x.
void accumulate_edge(std::vector<float>& rows, const Mask& mask, Point a, Point b) {
  if (a.y == b.y) return;
  const float sign = a.y < b.y ? 1.0f : -1.0f;
  if (a.y > b.y) std::swap(a, b);
  const float slope = (b.x - a.x) / (b.y - a.y);
  const auto limit = static_cast<float>(mask.width);
  const Box box = pixels_around(0, a.y, 0, b.y, mask.width, mask.height);
  for (int y = box.top; y < box.bottom; ++y) {
    const float top = std::max(a.y, static_cast<float>(y)), bottom = std::min(b.y, static_cast<float>(y + 1));
    const float height = bottom - top;
    if (height <= 0) continue;
    float left = std::clamp(a.x + (top - a.y) * slope, 0.0f, limit);
    float right = std::clamp(a.x + (bottom - a.y) * slope, 0.0f, limit);
    if (left > right) std::swap(left, right);
    float* row = &rows[static_cast<std::size_t>(y) * (mask.width + 1)];
    const int first = static_cast<int>(left), last = std::min(static_cast<int>(right), mask.width);
    float covered_before = 0;  // area right of the edge in all columns up to here, as a running sum
    for (int x = first; x <= last; ++x) {
      // Share of the edge that lies left of this column's right side, and the area it leaves in this column.
      const float low = std::max(left, static_cast<float>(x)),
                  high = std::min(right, static_cast<float>(x + 1));
      const float span = right - left;
      const float before = span > 0 ? (low - left) / span : 0.0f;
      const float within = span > 0 ? (high - low) / span : 1.0f;
      const float area = before + within * (static_cast<float>(x + 1) - (low + high) / 2);
      row[x] += sign * height * (area - covered_before);
      covered_before = area;
    }
    if (last + 1 <= mask.width) row[last + 1] += sign * height * (1 - covered_before);
  }
}

/// The mask need only be as large as the shape: its box, clipped to the image.
template <typename DrawShape>
void draw_shape(Image& image, std::span<const Point> points, float margin, Colour colour, float opacity,
                DrawShape draw) {
  if (points.empty()) return;
  const auto [left, right] =
      std::minmax_element(points.begin(), points.end(), [](Point a, Point b) { return a.x < b.x; });
  const auto [top, bottom] =
      std::minmax_element(points.begin(), points.end(), [](Point a, Point b) { return a.y < b.y; });
  const Box box = pixels_around(left->x - margin, top->y - margin, right->x + margin, bottom->y + margin,
                                image.width, image.height);
  if (box.left >= box.right || box.top >= box.bottom) return;
  Mask mask(box.right - box.left, box.bottom - box.top);
  draw(mask, static_cast<float>(box.left), static_cast<float>(box.top));
  blend(image, mask, box.left, box.top, colour, opacity);
}

}  // namespace

void stroke(Mask& mask, std::span<const PenPoint> points) {
  if (points.size() == 1) stroke_capsule(mask, points[0], points[0]);
  for (std::size_t i = 1; i < points.size(); ++i) stroke_capsule(mask, points[i - 1], points[i]);
}

void fill(Mask& mask, std::span<const Point> outline) {
  std::vector<float> rows(static_cast<std::size_t>(mask.width + 1) * mask.height);
  for (std::size_t i = 0; i < outline.size(); ++i)
    accumulate_edge(rows, mask, outline[i], outline[(i + 1) % outline.size()]);
  for (int y = 0; y < mask.height; ++y) {
    float sum = 0;
    for (int x = 0; x < mask.width; ++x) {
      sum += rows[static_cast<std::size_t>(y) * (mask.width + 1) + x];
      float& old = mask.coverage[static_cast<std::size_t>(y) * mask.width + x];
      old = std::max(old, std::min(std::abs(sum), 1.0f));
    }
  }
}

void blend(Image& image, const Mask& mask, int x, int y, Colour colour, float opacity) {
  const std::uint8_t ink[] = {colour.red, colour.green, colour.blue};
  for (int row = std::max(0, -y); row < std::min(mask.height, image.height - y); ++row)
    for (int column = std::max(0, -x); column < std::min(mask.width, image.width - x); ++column) {
      const float alpha = mask.at(column, row) * opacity;
      if (alpha <= 0) continue;
      std::uint8_t* pixel = image.at(x + column, y + row);
      for (int c = 0; c < image.channels; ++c)
        pixel[c] = static_cast<std::uint8_t>(
            std::clamp(static_cast<float>(pixel[c]) * (1 - alpha) + static_cast<float>(ink[c]) * alpha + 0.5f,
                       0.0f, 255.0f));
    }
}

void fill_rectangle(Image& image, int x, int y, int width, int height, Colour colour, float opacity) {
  const int left = std::max(x, 0), top = std::max(y, 0);
  const int right = std::min(x + width, image.width), bottom = std::min(y + height, image.height);
  if (left >= right || top >= bottom) return;
  Mask mask(right - left, bottom - top);
  std::fill(mask.coverage.begin(), mask.coverage.end(), 1.0f);
  blend(image, mask, left, top, colour, opacity);
}

void draw_polyline(Image& image, std::span<const Point> points, float thickness, Colour colour,
                   float opacity) {
  draw_shape(image, points, thickness / 2 + 1, colour, opacity, [&](Mask& mask, float left, float top) {
    std::vector<PenPoint> pen;
    for (const Point point : points) pen.push_back({point.x - left, point.y - top, thickness / 2});
    stroke(mask, pen);
  });
}

void fill_polygon(Image& image, std::span<const Point> outline, Colour colour, float opacity) {
  draw_shape(image, outline, 1, colour, opacity, [&](Mask& mask, float left, float top) {
    std::vector<Point> moved;
    for (const Point point : outline) moved.push_back({point.x - left, point.y - top});
    fill(mask, moved);
  });
}

void paste(Image& image, const Image& source, int x, int y) {
  for (int row = std::max(0, -y); row < std::min(source.height, image.height - y); ++row)
    for (int column = std::max(0, -x); column < std::min(source.width, image.width - x); ++column) {
      const std::uint8_t* from = source.at(column, row);
      std::uint8_t* to = image.at(x + column, y + row);
      for (int c = 0; c < image.channels; ++c) to[c] = from[source.channels == 1 ? 0 : c];
    }
}

}  // namespace tapeline
