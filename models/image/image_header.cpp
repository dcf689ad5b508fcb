#include "models/image/image_header.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "models/image/byte_order.h"
#include "models/image/orientation.h"

namespace tapeline {

namespace {

using Bytes = std::span<const std::byte>;

bool starts_with(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

int at(Bytes bytes, std::size_t offset) { return std::to_integer<int>(bytes[offset]); }

bool is_blank(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::optional<ImageHeader> read_png(Bytes bytes) {
  if (bytes.size() < 33 || !starts_with(bytes.subspan(12), "IHDR")) return std::nullopt;
  constexpr std::array kChannels = {1, 0, 3, 3, 2, 0, 4};  // by colour type; a palette gives RGB
  const auto colour = static_cast<std::size_t>(at(bytes, 25));
  if (colour >= kChannels.size() || kChannels[colour] == 0) return std::nullopt;
  return ImageHeader{big_endian(bytes, 16, 4), big_endian(bytes, 20, 4), kChannels[colour], 0, 0};
}

/// Goes from marker to marker to the first frame header (SOF).
std::optional<ImageHeader> read_jpeg(Bytes bytes) {
  int orientation = 1;
  for (std::size_t marker = 2; marker + 9 < bytes.size();) {
    if (at(bytes, marker) != 0xff) return std::nullopt;
    const int kind = at(bytes, marker + 1);
    if (kind == 0xff) {
      ++marker;
      continue;
    }
    if (kind >= 0xc0 && kind <= 0xc2)
      return ImageHeader{.width = big_endian(bytes, marker + 7, 2),
                         .height = big_endian(bytes, marker + 5, 2),
                         .channels = at(bytes, marker + 9),
                         .orientation = orientation};
    if (kind == 0xd9 || kind == 0xda) return std::nullopt;
    const auto length = static_cast<std::size_t>(big_endian(bytes, marker + 2, 2));
    if (kind == 0xe1 && length > 2 && orientation == 1)
      orientation =
          read_orientation(bytes.subspan(marker + 4, std::min(length - 2, bytes.size() - marker - 4)));
    marker += 2 + length;
  }
  return std::nullopt;
}

std::optional<ImageHeader> read_bmp(Bytes bytes) {
  if (bytes.size() < 26) return std::nullopt;
  const auto data = static_cast<std::size_t>(little_endian(bytes, 10, 4));
  if (little_endian(bytes, 14, 4) == 12)
    return ImageHeader{little_endian(bytes, 18, 2), little_endian(bytes, 20, 2), 3, data,
                       static_cast<int>(little_endian(bytes, 24, 2))};
  if (bytes.size() < 30) return std::nullopt;
  const auto rows = static_cast<std::int32_t>(little_endian(bytes, 22, 4));  // negative: from the top
  return ImageHeader{static_cast<std::int32_t>(little_endian(bytes, 18, 4)),
                     rows < 0 ? -std::int64_t{rows} : rows, 3, data,
                     static_cast<int>(little_endian(bytes, 28, 2))};
}

/// "P5 width height largest" with blanks and comments between, then one blank.
std::optional<ImageHeader> read_pnm(Bytes bytes) {
  std::size_t place = 2;
  std::array<std::int64_t, 3> numbers{};
  for (std::int64_t& number : numbers) {
    while (place < bytes.size() && (is_blank(at(bytes, place)) || at(bytes, place) == '#'))
      if (at(bytes, place++) == '#')
        while (place < bytes.size() && at(bytes, place) != '\n') ++place;
    const std::size_t begin = place;
    for (; place < bytes.size() && at(bytes, place) >= '0' && at(bytes, place) <= '9'; ++place)
      if ((number = number * 10 + at(bytes, place) - '0') > INT32_MAX) return std::nullopt;
    if (place == begin) return std::nullopt;
  }
  if (place >= bytes.size() || !is_blank(at(bytes, place)) || numbers[2] < 1 || numbers[2] > 65535)
    return std::nullopt;
  return ImageHeader{numbers[0], numbers[1], at(bytes, 1) == '5' ? 1 : 3, place + 1,
                     static_cast<int>(numbers[2])};
}

}  // namespace

std::optional<ImageFormat> image_format(Bytes bytes) {
  if (starts_with(bytes, "\x89PNG\r\n\x1a\n")) return ImageFormat::png;
  if (starts_with(bytes, "\xff\xd8\xff")) return ImageFormat::jpeg;
  if (starts_with(bytes, "BM")) return ImageFormat::bmp;
  if ((starts_with(bytes, "P5") || starts_with(bytes, "P6")) && bytes.size() > 2 &&
      (is_blank(at(bytes, 2)) || at(bytes, 2) == '#'))
    return ImageFormat::pnm;
  return std::nullopt;
}

std::optional<ImageHeader> read_image_header(ImageFormat format, Bytes bytes) {
  switch (format) {
    case ImageFormat::png:
      return read_png(bytes);
    case ImageFormat::jpeg:
      return read_jpeg(bytes);
    case ImageFormat::bmp:
      return read_bmp(bytes);
    case ImageFormat::pnm:
      return read_pnm(bytes);
  }
  return std::nullopt;
}

int count_scans(Bytes bytes) {
  constexpr int kFirstRestart = 0xd0, kLastRestart = 0xd7, kEnd = 0xd9, kScan = 0xda;
  int scans = 0;
  for (std::size_t marker = 2; marker + 3 < bytes.size();) {
    const int kind = at(bytes, marker + 1);
    const bool coded = kind == 0 || kind == 0xff || (kind >= kFirstRestart && kind <= kLastRestart);
    if (at(bytes, marker) != 0xff || coded) {
      const void* next = std::memchr(&bytes[marker + 1], 0xff, bytes.size() - marker - 1);
      if (!next) break;
      marker = static_cast<std::size_t>(static_cast<const std::byte*>(next) - bytes.data());
      continue;
    }
    if (kind == kEnd) break;
    scans += kind == kScan;
    marker += 2 + static_cast<std::size_t>(big_endian(bytes, marker + 2, 2));
  }
  return scans;
}

}  // namespace tapeline
