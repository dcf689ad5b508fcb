#pragma once

// From a picture to what a network takes: bytes [height, width, channels] at the network's height, and what
// makes of them the values that it sees.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "models/image/image.h"

namespace tapeline {

enum class Normalise {
  none,       // 0 (black) to 1 (white)
  per_image,  // mean 0 and deviation 1 over all values of the image; an image of one colour becomes 0
};

/// Is kept in the model file.
struct Preprocess {
  int height = 60;
  int width = 0;         // 0 keeps the aspect ratio
  int max_width = 2048;  // of images that keep it; wider ones are squeezed
  int channels = 1;      // 1: grey, 3: RGB
  Normalise normalise = Normalise::per_image;

  /// Width at which an image enters the network, 1 or more.
  int output_width(int image_width, int image_height) const;

  bool operator==(const Preprocess&) const = default;
};

/// The network sees (byte - offset) * factor.
struct ByteScale {
  float offset = 0, factor = 1;
};

/// Writes an image of any size and 1 or 3 channels as [height, output_width, channels]; rows are `row_stride`
/// bytes apart, so that it can be written into a wider batch. Resizing averages areas.
ByteScale preprocess(const Image& image, const Preprocess& options, std::uint8_t* out,
                     std::size_t row_stride);

/// What the network sees, dense.
std::vector<float> preprocess(const Image& image, const Preprocess& options);

nlohmann::json to_json(const Preprocess& options);

/// Throws Error, which names the field that is missing, of the wrong type or out of range.
Preprocess preprocess_from_json(const nlohmann::json& json);

}  // namespace tapeline
