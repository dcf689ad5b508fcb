#pragma once

#include <array>

#include "models/image/image.h"

namespace tapeline {

using Colour = std::array<float, 3>;  // 0 to 255; grey uses the first

/// What an image shows where nothing is written: the colour of each of its four corners (medians along the
/// border, so that strokes which touch it do not count), blended between them.
class Paper {
 public:
  explicit Paper(const Image& image);

  /// Colour at a point; outside of the image that of the nearest point of its border.
  Colour at(float x, float y) const;

 private:
  float x_scale_, y_scale_;
  std::array<Colour, 4> corners_;  // top left, top right, bottom left, bottom right
};

/// The colour that differs most from the paper: that of the strokes.
Colour ink_of(const Image& image, const Paper& paper);

}  // namespace tapeline
