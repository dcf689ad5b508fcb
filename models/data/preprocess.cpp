#include "models/data/preprocess.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/image/image_io.h"
#include "models/image/resize.h"
#include "models/json_field.h"

namespace tapeline {
namespace {

ByteScale scale_of(const Image& image, Normalise normalise) {
  if (normalise == Normalise::none) return {0.0f, 1.0f / 255.0f};
  std::uint64_t sum = 0, squares = 0;
  for (const std::uint64_t value : image.pixels) {
    sum += value;
    squares += value * value;
  }
  const double count = static_cast<double>(image.pixels.size());
  const double mean = static_cast<double>(sum) / count;
  const double variance = static_cast<double>(squares) / count - mean * mean;
  return {static_cast<float>(mean), static_cast<float>(1.0 / std::sqrt(std::max(variance, 1.0)))};
}

int read_int(const nlohmann::json& json, const char* field, int low, int high) {
  try {
    return read_number(json, field, low, high);
  } catch (const Error& error) {
    throw Error("preprocessing: {}", error.what());
  }
}

}  // namespace

int Preprocess::output_width(int image_width, int image_height) const {
  if (width > 0) return width;
  const double scaled = std::round(static_cast<double>(image_width) * height / image_height);
  return static_cast<int>(std::clamp(scaled, 1.0, static_cast<double>(max_width)));
}

ByteScale preprocess(const Image& image, const Preprocess& options, std::uint8_t* out,
                     std::size_t row_stride) {
  if (image.empty()) throw Error("preprocess: the image is empty");
  const int width = options.output_width(image.width, image.height);
  const Image sized = resize(convert(image, options.channels), width, options.height);
  const std::size_t row = static_cast<std::size_t>(width) * options.channels;
  for (int y = 0; y < options.height; ++y) std::copy_n(sized.at(0, y), row, out + y * row_stride);
  return scale_of(sized, options.normalise);
}

std::vector<float> preprocess(const Image& image, const Preprocess& options) {
  const auto row = static_cast<std::size_t>(options.output_width(image.width, std::max(image.height, 1))) *
                   options.channels;
  std::vector<std::uint8_t> bytes(row * options.height);
  const auto scale = preprocess(image, options, bytes.data(), row);
  std::vector<float> values(bytes.size());
  std::ranges::transform(bytes, values.begin(),
                         [&](std::uint8_t byte) { return (byte - scale.offset) * scale.factor; });
  return values;
}

nlohmann::json to_json(const Preprocess& options) {
  return {{"height", options.height},
          {"width", options.width},
          {"max_width", options.max_width},
          {"channels", options.channels},
          {"normalise", options.normalise == Normalise::none ? "none" : "per_image"}};
}

Preprocess preprocess_from_json(const nlohmann::json& json) {
  if (!json.is_object())
    throw Error("preprocessing: expected an object with \"height\", \"width\" and others");
  constexpr int kMaxSize = 1 << 15;
  Preprocess options;
  options.height = read_int(json, "height", 1, kMaxSize);
  options.width = read_int(json, "width", 0, kMaxSize);
  options.max_width = read_int(json, "max_width", 1, kMaxSize);
  options.channels = read_int(json, "channels", 1, 3);
  if (options.channels == 2) throw Error("preprocessing: \"channels\" must be 1 or 3");
  const auto normalise = json.value("normalise", nlohmann::json());
  if (normalise != "none" && normalise != "per_image")
    throw Error("preprocessing: \"normalise\" must be \"none\" or \"per_image\"");
  options.normalise = normalise == "none" ? Normalise::none : Normalise::per_image;
  return options;
}

}  // namespace tapeline
