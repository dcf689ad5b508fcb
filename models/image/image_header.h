#pragma once

// What an image file says of itself in its first bytes, read before anything is decoded, so that a hostile
// header costs nothing.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tapeline {

enum class ImageFormat { png, jpeg, bmp, pnm };

/// By the first bytes alone, never by the name; nothing where they are those of none of the four. pnm is
/// binary PGM (P5) and PPM (P6).
std::optional<ImageFormat> image_format(std::span<const std::byte> bytes);

/// The formats, for messages: "PNG, JPEG, BMP, PGM and PPM".
inline constexpr std::string_view kImageFormats = "PNG, JPEG, BMP, PGM and PPM";

struct ImageHeader {
  std::int64_t width = 0, height = 0;  // as the file says, whatever that is
  int channels = 0;                    // in the file
  std::size_t data = 0;                // pnm, bmp: where the pixels begin
  int depth = 0;                       // pnm: the largest value; bmp: bits of a pixel
  int orientation = 1;                 // jpeg: see orientation.h; width and height are as stored
};

/// Nothing where the header is damaged or cut short.
std::optional<ImageHeader> read_image_header(ImageFormat format, std::span<const std::byte> bytes);

/// How often a JPEG file goes over its whole picture: its scans, up to the end-of-image marker.
int count_scans(std::span<const std::byte> bytes);

}  // namespace tapeline
