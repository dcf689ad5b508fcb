#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "models/image/image.h"

namespace tapeline {

/// Larger pictures are refused before anything is decoded.
inline constexpr int kMaxImageSide = 65'535;
inline constexpr std::int64_t kMaxImagePixels = 64 << 20;

/// Reads a PNG, JPEG or BMP file. `channels`: 1 makes it grey (Rec. 601 luma), 3 makes it RGB, 0 keeps what
/// the file has (grey or RGB). Transparent parts are laid over white, 16 bits are reduced to 8. An Error
/// names the file and what is wrong with it: missing, a folder, not an image, cut short, too large.
Image read_image(const std::filesystem::path& path, int channels = 0);

/// The same from memory; `name` stands for the file in errors.
Image decode_image(std::span<const std::byte> bytes, std::string_view name, int channels = 0);

/// `image` is not empty and has 1 or 3 channels.
std::vector<std::byte> encode_png(const Image& image);

/// Writes to a temporary name beside `path`, then renames, so that no one sees half a file.
void write_png(const std::filesystem::path& path, const Image& image);

/// Grey: Rec. 601 luma. RGB: three equal channels. `channels` is 1 or 3.
Image convert(const Image& image, int channels);

}  // namespace tapeline
