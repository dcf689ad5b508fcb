#include "models/data/paper.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tapeline {
namespace {

/// Median by channel of the border from this corner to the middles of its two sides.
Colour corner_colour(const Image& image, bool right, bool bottom) {
  std::array<std::vector<std::uint8_t>, 3> values;
  const auto add = [&](int x, int y) {
    const std::uint8_t* pixel = image.at(x, y);
    for (int c = 0; c < image.channels; ++c) values[static_cast<std::size_t>(c)].push_back(pixel[c]);
  };
  const int x = right ? image.width - 1 : 0, y = bottom ? image.height - 1 : 0;
  // As many pixels from the short side as from the long one: a long line along one of them is then no
  // majority.
  const int reach = std::max(1, std::min(image.width, image.height) / 2);
  for (int i = 0; i < reach; ++i) {
    add(right ? image.width - 1 - i : i, y);
    add(x, bottom ? image.height - 1 - i : i);
  }
  Colour colour{};
  for (int c = 0; c < image.channels; ++c) {
    auto& channel = values[static_cast<std::size_t>(c)];
    const auto middle = channel.begin() + static_cast<std::ptrdiff_t>(channel.size() / 2);
    std::nth_element(channel.begin(), middle, channel.end());
    colour[static_cast<std::size_t>(c)] = *middle;
  }
  return colour;
}

}  // namespace

Paper::Paper(const Image& image)
    : x_scale_(1.0f / static_cast<float>(std::max(image.width - 1, 1))),
      y_scale_(1.0f / static_cast<float>(std::max(image.height - 1, 1))) {
  for (std::size_t corner = 0; corner < 4; ++corner)
    corners_[corner] = corner_colour(image, (corner & 1) != 0, (corner & 2) != 0);
}

Colour Paper::at(float x, float y) const {
  const float u = std::clamp(x * x_scale_, 0.0f, 1.0f), v = std::clamp(y * y_scale_, 0.0f, 1.0f);
  Colour colour;
  for (std::size_t c = 0; c < 3; ++c) {
    const float top = corners_[0][c] + u * (corners_[1][c] - corners_[0][c]);
    const float bottom = corners_[2][c] + u * (corners_[3][c] - corners_[2][c]);
    colour[c] = top + v * (bottom - top);
  }
  return colour;
}

Colour ink_of(const Image& image, const Paper& paper) {
  const Colour background =
      paper.at(static_cast<float>(image.width) / 2, static_cast<float>(image.height) / 2);
  Colour ink{};
  float farthest = -1;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t* pixel = image.at(x, y);
      float distance = 0;
      for (int c = 0; c < image.channels; ++c)
        distance += std::abs(pixel[c] - background[static_cast<std::size_t>(c)]);
      if (distance <= farthest) continue;
      farthest = distance;
      for (int c = 0; c < image.channels; ++c) ink[static_cast<std::size_t>(c)] = pixel[c];
    }
  return ink;
}

}  // namespace tapeline
