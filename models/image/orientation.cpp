#include "models/image/orientation.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "engine/error.h"
#include "models/image/byte_order.h"

namespace tapeline {

namespace {

/// The numbers of a TIFF file, in the byte order that its first two bytes name.
struct Tiff {
  std::span<const std::byte> bytes;
  bool lowest_first;

  /// Of `count` bytes; 0 past the end.
  std::size_t at(std::size_t offset, std::size_t count) const {
    if (offset > bytes.size() || count > bytes.size() - offset) return 0;
    return static_cast<std::size_t>(lowest_first ? little_endian(bytes, offset, count)
                                                 : big_endian(bytes, offset, count));
  }
};

}  // namespace

int read_orientation(std::span<const std::byte> segment) {
  using namespace std::string_view_literals;
  constexpr auto kExif = "Exif\0\0"sv;
  constexpr std::size_t kOrientation = 0x0112, kShort = 3, kFieldBytes = 12;
  if (segment.size() < kExif.size() + 8 || std::memcmp(segment.data(), kExif.data(), kExif.size()) != 0)
    return 1;
  const auto bytes = segment.subspan(kExif.size());
  const Tiff tiff{bytes, bytes[0] == std::byte{'I'}};
  const std::size_t directory = tiff.at(4, 4), fields = tiff.at(directory, 2);
  std::size_t field = directory + 2;
  for (std::size_t i = 0; i < fields && field + kFieldBytes <= bytes.size(); ++i, field += kFieldBytes) {
    if (tiff.at(field, 2) != kOrientation) continue;
    const std::size_t value = tiff.at(field + 8, 2);
    return tiff.at(field + 2, 2) == kShort && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image turn_upright(Image image, int orientation) {
  if (orientation < 1 || orientation > 8) throw Error("no orientation {}: give one of 1 to 8", orientation);
  if (orientation == 1) return image;
  // 5 to 8 are 1 to 4 with rows for columns. Of either four, the second and third begin at the right, the
  // third and fourth at the bottom.
  const bool exchanged = orientation > 4;
  const int corner = (orientation - 1) % 4;
  const bool from_right = corner == 1 || corner == 2, from_bottom = corner >= 2;
  Image upright(exchanged ? image.height : image.width, exchanged ? image.width : image.height,
                image.channels);
  for (int y = 0; y < upright.height; ++y)
    for (int x = 0; x < upright.width; ++x) {
      const int column = from_right ? upright.width - 1 - x : x,
                row = from_bottom ? upright.height - 1 - y : y;
      std::copy_n(exchanged ? image.at(row, column) : image.at(column, row), image.channels,
                  upright.at(x, y));
    }
  return upright;
}

}  // namespace tapeline
