#include "models/image/orientation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "engine/error.h"
#include "engine/random.h"

namespace tapeline {

namespace {

using namespace std::string_view_literals;

int orientation_in(std::string_view segment) { return read_orientation(std::as_bytes(std::span(segment))); }

/// "abc/def": two rows of three.
std::string rows_of(const Image& image) {
  std::string text;
  for (int y = 0; y < image.height; ++y) {
    if (y > 0) text += '/';
    for (int x = 0; x < image.width; ++x) text += static_cast<char>(*image.at(x, y));
  }
  return text;
}

}  // namespace

TEST_CASE("each orientation of a photo is turned upright") {
  Image stored(3, 2, 1);
  std::copy_n("abcdef", 6, stored.pixels.begin());
  constexpr std::string_view kUpright[] = {"abc/def",  "cba/fed",  "fed/cba",  "def/abc",
                                           "ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad"};
  for (int orientation = 1; orientation <= 8; ++orientation)
    CHECK(rows_of(turn_upright(stored, orientation)) == kUpright[orientation - 1]);
  CHECK_THROWS_AS(turn_upright(stored, 0), Error);
  CHECK_THROWS_AS(turn_upright(stored, 9), Error);
}

TEST_CASE(
    "an orientation is read in both byte orders; without one, or with a damaged one, a picture stays as it "
    "is") {
  CHECK(orientation_in("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"sv) == 6);
  const std::string segment(
      "Exif\0\0II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x04\0\0\0Ink\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0"sv);
  CHECK(orientation_in(segment) == 8);
  const auto with = [&](std::size_t place, char value) {
    std::string changed = segment;
    changed[place] = value;
    return orientation_in(changed);
  };
  constexpr std::size_t kDirectory = 10, kFields = 14, kType = 30, kValue = 36;
  CHECK(with(kValue, 3) == 3);
  CHECK(with(kValue, 0) == 1);
  CHECK(with(kValue, 9) == 1);
  CHECK(with(kType, 4) == 1);
  CHECK(with(kFields, 1) == 1);
  CHECK(with(kFields, '\xff') == 8);
  CHECK(with(kDirectory, '\xff') == 1);
  CHECK(with(kDirectory + 3, '\xff') == 1);
  CHECK(with(0, 'e') == 1);
  CHECK(orientation_in("http://ns.adobe.com/xap/1.0/\0"sv) == 1);

  for (std::size_t length = 0; length < segment.size(); ++length)
    CHECK(orientation_in(segment.substr(0, length)) == (length < kValue + 4 ? 1 : 8));
  Random random(3);
  for (int round = 0; round < 10'000; ++round) {
    std::string damaged = segment;
    for (int i = 0; i < 3; ++i)
      damaged[6 + random.below(static_cast<std::uint32_t>(segment.size() - 6))] =
          static_cast<char>(random.below(256));
    const int orientation = orientation_in(damaged);
    REQUIRE(orientation >= 1);
    REQUIRE(orientation <= 8);
  }
}

}  // namespace tapeline
