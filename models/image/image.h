#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tapeline {

/// Eight bits a channel, rows from the top, channels interleaved (HWC). 1 channel is grey, 3 is RGB.
struct Image {
  int width = 0, height = 0, channels = 1;
  std::vector<std::uint8_t> pixels;  // width * height * channels

  Image() = default;
  Image(int width, int height, int channels, std::uint8_t value = 255)
      : width(width),
        height(height),
        channels(channels),
        pixels(static_cast<std::size_t>(width) * height * channels, value) {}

  bool empty() const { return pixels.empty(); }
  std::uint8_t* at(int x, int y) {
    return pixels.data() + (static_cast<std::size_t>(y) * width + x) * channels;
  }
  const std::uint8_t* at(int x, int y) const {
    return pixels.data() + (static_cast<std::size_t>(y) * width + x) * channels;
  }
};

}  // namespace tapeline
