// Separable: every new row or column is a weighted sum of neighbouring old ones, so one list of weights an
// axis is all there is to know.

#include "models/image/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"

namespace tapeline {

namespace {

/// Where each new sample begins among the old ones, and its weights, which sum to 1.
struct Taps {
  int first;
  std::vector<float> weights;
};

std::vector<Taps> area_taps(int from, int to) {
  std::vector<Taps> taps(to);
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    const double low = i * scale, high = std::min((i + 1) * scale, static_cast<double>(from));
    taps[i].first = static_cast<int>(low);
    for (int j = taps[i].first; j < high; ++j) {
      const double covered = std::min(high, j + 1.0) - std::max(low, static_cast<double>(j));
      taps[i].weights.push_back(static_cast<float>(covered / scale));
    }
  }
  return taps;
}

std::vector<Taps> linear_taps(int from, int to) {
  std::vector<Taps> taps(to);
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    const double centre = std::clamp((i + 0.5) * scale - 0.5, 0.0, from - 1.0);
    const int left = std::min(static_cast<int>(centre), std::max(from - 2, 0));
    const auto right_weight = static_cast<float>(centre - left);
    taps[i].first = left;
    taps[i].weights.push_back(1 - right_weight);
    if (from > 1) taps[i].weights.push_back(right_weight);
  }
  return taps;
}

std::vector<Taps> taps_for(int from, int to) {
  return to < from ? area_taps(from, to) : linear_taps(from, to);
}

}  // namespace

Image resize(const Image& image, int width, int height) {
  if (image.empty() || width < 1 || height < 1)
    throw Error("cannot resize an image of {} x {} to {} x {}: every side must be at least 1", image.width,
                image.height, width, height);
  if (width == image.width && height == image.height) return image;

  const int channels = image.channels;
  const std::vector<Taps> columns = taps_for(image.width, width), rows = taps_for(image.height, height);
  const std::size_t new_stride = static_cast<std::size_t>(width) * channels;

  std::vector<float> narrow(new_stride * image.height);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < width; ++x) {
      float* target = &narrow[y * new_stride + static_cast<std::size_t>(x) * channels];
      const std::uint8_t* source = image.at(columns[x].first, y);
      for (const float weight : columns[x].weights)
        for (int c = 0; c < channels; ++c) target[c] += weight * *source++;
    }

  Image result(width, height, channels);
  std::vector<float> line(new_stride);
  for (int y = 0; y < height; ++y) {
    std::fill(line.begin(), line.end(), 0.5f);
    const float* source = &narrow[rows[y].first * new_stride];
    for (const float weight : rows[y].weights)
      for (float& value : line) value += weight * *source++;
    std::uint8_t* target = result.at(0, y);
    for (const float value : line) *target++ = static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f));
  }
  return result;
}

}  // namespace tapeline
