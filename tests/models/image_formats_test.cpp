// Every kind of picture file, as make_pictures.py wrote it, is read right.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "models/image/image_io.h"

namespace tapeline {

namespace {

/// What the pictures of make_pictures.py show.
int expected(int x, int y, int channel, int channels) {
  if (channels == 1) return 11 * x + 2 * y;
  return channel == 0 ? 12 * x : channel == 1 ? 25 * y : 128;
}

/// How far a value may be off: half a level where a file has few of them, and in a JPEG what rounding and
/// colours of fewer pixels cost.
int tolerance(std::string_view name) {
  struct Kind {
    std::string_view begins;
    int tolerance;
  };
  constexpr Kind kKinds[] = {
      {"grey-1.", 128},      {"grey-1-", 128},  {"grey-2", 43},       {"grey-4", 9},      {"palette-1", 128},
      {"palette-2", 66},     {"palette-4", 34}, {"colour-16.bmp", 8}, {"colour-16-m", 8}, {"colour-2x4", 32},
      {"colour-1x1.jpg", 5}, {"colour-rgb", 5}, {"inks", 5},          {"turned", 5},
  };
  for (const Kind& kind : kKinds)
    if (name.starts_with(kind.begins)) return kind.tolerance;
  if (!name.ends_with(".jpg")) return 0;
  return name.starts_with("grey") ? 5 : 18;
}

}  // namespace

TEST_CASE("every kind of picture file is read right") {
  int count = 0;
  for (const auto& file : std::filesystem::directory_iterator(TAPELINE_PICTURES)) {
    const std::string name = file.path().filename().string();
    CAPTURE(name);
    ++count;
    Image image;
    REQUIRE_NOTHROW(image = read_image(file.path()));
    REQUIRE(image.width == 21);
    REQUIRE(image.height == 11);
    REQUIRE(image.channels == (name.starts_with("grey") ? 1 : 3));
    int worst = 0;
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < image.width; ++x)
        for (int c = 0; c < image.channels; ++c) {
          const bool clear = x == 0 && y == 0 && name.find("-clear.") != name.npos;
          const int right = clear ? 255 : expected(x, y, c, image.channels);
          worst = std::max(worst, std::abs(image.at(x, y)[c] - right));
        }
    INFO(worst);
    CHECK(worst <= tolerance(name));
  }
  CHECK(count == 69);
}

}  // namespace tapeline
