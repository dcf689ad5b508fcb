#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "models/image/image.h"

namespace tapeline {

/// Larger pictures are refused before anything is decoded. So are those of more than 16 Mi samples (pixels
/// times channels) and 256 for each byte of their file, whatever the limits.
struct ImageLimits {
  int side = 65'535;
  std::int64_t pixels = 64 << 20;
};

/// Reads a PNG, JPEG, BMP, or binary PGM or PPM file. `channels`: 1 makes it grey (Rec. 601 luma), 3 makes it
/// RGB, 0 keeps what the file has (grey or RGB). Transparent parts are laid over white, 16 bits are reduced
/// to 8, and a JPEG is turned upright as its Exif orientation says. An Error names the file and what is wrong
/// with it: missing, a folder, a pipe, not an image, cut short, too large. Takes at most 4 bytes for each
/// byte of the file, and 64 MiB or, of a picture of more than 16 Mi samples, 4 bytes for each; a JPEG's sides
/// count as rounded up to 32.
Image read_image(const std::filesystem::path& path, int channels = 0, const ImageLimits& limits = {});

/// The same from memory; `name` stands for the file in errors.
Image decode_image(std::span<const std::byte> bytes, std::string_view name, int channels = 0,
                   const ImageLimits& limits = {});

/// What decode_image() is given for a file: all of it, or its first bytes where these are not those of a
/// picture. An Error where there is no file that can be read.
std::vector<std::byte> read_image_bytes(const std::filesystem::path& path);

/// The most memory that decode_image() takes for these bytes: what read_image() says of it.
std::int64_t decoding_memory(std::span<const std::byte> bytes, const ImageLimits& limits = {});

/// `image` is not empty and has 1 or 3 channels.
std::vector<std::byte> encode_png(const Image& image);

/// Writes to a temporary name beside `path`, then renames, so that no one sees half a file.
void write_png(const std::filesystem::path& path, const Image& image);

/// Grey: Rec. 601 luma. RGB: three equal channels. `channels` is 1 or 3.
Image convert(const Image& image, int channels);

}  // namespace tapeline
