#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "models/image/image.h"
#include "models/image/path.h"

namespace tapeline {

struct Colour {
  std::uint8_t red = 0, green = 0, blue = 0;
};

/// How much of each pixel a shape covers, 0 to 1. Pixel (0, 0) spans the unit square from the origin.
struct Mask {
  int width = 0, height = 0;
  std::vector<float> coverage;  // width * height, rows from the top

  Mask(int width, int height)
      : width(width), height(height), coverage(static_cast<std::size_t>(width) * height) {}
  float at(int x, int y) const { return coverage[static_cast<std::size_t>(y) * width + x]; }
};

/// A round pen at a place.
struct PenPoint {
  float x = 0, y = 0, radius = 1;
};

/// Draws along `points` with a round pen whose radius goes linearly from point to point. One point is a dot.
/// Coverage is the larger of the old and the new, so strokes of one shape join without seams.
void stroke(Mask& mask, std::span<const PenPoint> points);

/// Fills a polygon (non-zero winding for simple outlines; exact area coverage).
void fill(Mask& mask, std::span<const Point> outline);

/// Lays `colour` over the image where the mask, its corner at (x, y), covers it.
void blend(Image& image, const Mask& mask, int x, int y, Colour colour, float opacity = 1);

/// The rectangle may reach beyond the image.
void fill_rectangle(Image& image, int x, int y, int width, int height, Colour colour, float opacity = 1);

/// A line of this thickness in pixels with round ends and corners.
void draw_polyline(Image& image, std::span<const Point> points, float thickness, Colour colour,
                   float opacity = 1);

void fill_polygon(Image& image, std::span<const Point> outline, Colour colour, float opacity = 1);

/// Copies `source` into `image` with its corner at (x, y); what lies outside is cut off.
void paste(Image& image, const Image& source, int x, int y);

}  // namespace tapeline
