// Files in, files out. stb_image decodes; what a file claims is checked first, so that a hostile header
// cannot make it allocate gigabytes.

#include "models/image/image_io.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <system_error>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/image/stb.h"

namespace tapeline {

namespace fs = std::filesystem;

namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

bool is_known_format(std::span<const std::byte> bytes) {
  return starts_with(bytes, "\x89PNG\r\n\x1a\n") || starts_with(bytes, "\xff\xd8\xff") ||
         starts_with(bytes, "BM");
}

std::uint32_t little_endian(std::span<const std::byte> bytes, std::size_t offset, int count) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) value |= std::to_integer<std::uint32_t>(bytes[offset + i]) << (8 * i);
  return value;
}

/// stb_image takes what lies past the end of a JPEG or BMP file for zeros; here such a file is an error.
bool is_cut_short(std::span<const std::byte> bytes, std::int64_t width, std::int64_t height) {
  if (starts_with(bytes, "\xff\xd8")) {  // the last scan has to be followed by the end-of-image marker
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto scan = text.rfind("\xff\xda"), end = text.rfind("\xff\xd9");
    return scan == text.npos || end == text.npos || end < scan;
  }
  if (starts_with(bytes, "BM")) {
    const bool old_header = little_endian(bytes, 14, 4) == 12;
    const std::uint32_t bits = little_endian(bytes, old_header ? 24 : 28, 2);
    const std::int64_t row = (width * bits + 31) / 32 * 4;
    return little_endian(bytes, 10, 4) + row * height > static_cast<std::int64_t>(bytes.size());
  }
  return false;
}

/// stb_image before 2.28 writes past its tables when a Huffman table of a JPEG file lists more than 256
/// codes. Looks at every place that could be taken for the marker of such tables, in whatever order they are
/// read.
bool has_oversized_huffman_table(std::span<const std::byte> bytes) {
  if (!starts_with(bytes, "\xff\xd8")) return false;
  const auto byte = [&](std::size_t at) { return at < bytes.size() ? std::to_integer<int>(bytes[at]) : 0; };
  for (std::size_t marker = 2; marker + 1 < bytes.size(); ++marker) {
    if (byte(marker) != 0xff || byte(marker + 1) != 0xc4) continue;
    std::size_t at = marker + 4;
    int left = byte(marker + 2) * 256 + byte(marker + 3) - 2;
    while (left > 0) {
      const int table = byte(at++);
      if (table >> 4 > 1 || (table & 15) > 3) break;
      int codes = 0;
      for (int i = 0; i < 16; ++i) codes += byte(at++);
      if (codes > 255) return true;
      at += codes;
      left -= 17 + codes;
    }
  }
  return false;
}

std::uint8_t luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 32768) >> 16);
}

std::uint8_t over_white(int value, int alpha) {
  return static_cast<std::uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

/// stb's 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels to 1 or 3.
Image without_alpha(const std::uint8_t* source, int width, int height, int source_channels) {
  const bool alpha = source_channels % 2 == 0;
  Image image(width, height, source_channels - (alpha ? 1 : 0));
  if (!alpha) {
    std::copy_n(source, image.pixels.size(), image.pixels.begin());
    return image;
  }
  for (std::uint8_t* pixel = image.pixels.data(); pixel != image.pixels.data() + image.pixels.size();
       pixel += image.channels, source += source_channels)
    for (int c = 0; c < image.channels; ++c) pixel[c] = over_white(source[c], source[image.channels]);
  return image;
}

}  // namespace

Image convert(const Image& image, int channels) {
  if (channels != 1 && channels != 3)
    throw Error("cannot make an image of {} channels: ask for 1 (grey) or 3 (RGB)", channels);
  if (image.channels == channels) return image;
  Image result(image.width, image.height, channels);
  const std::size_t count = image.pixels.size() / image.channels;
  for (std::size_t i = 0; i < count; ++i) {
    if (channels == 1)
      result.pixels[i] = luma(&image.pixels[3 * i]);
    else
      std::fill_n(&result.pixels[3 * i], 3, image.pixels[i]);
  }
  return result;
}

Image decode_image(std::span<const std::byte> bytes, std::string_view name, int channels) {
  if (channels != 0 && channels != 1 && channels != 3)
    throw Error("cannot read {} as {} channels: ask for 0 (as it is), 1 (grey) or 3 (RGB)", name, channels);
  if (bytes.empty()) throw Error("cannot read {}: the file is empty", name);
  if (!is_known_format(bytes)) throw Error("cannot read {}: not an image (PNG, JPEG and BMP are read)", name);
  if (bytes.size() > std::size_t{1} << 30)
    throw Error("cannot read {}: {} bytes; an image file may have 1 GiB", name, bytes.size());

  if (has_oversized_huffman_table(bytes)) throw Error("cannot read {}: its Huffman tables are damaged", name);

  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int size = static_cast<int>(bytes.size());
  int width = 0, height = 0, in_file = 0;
  if (!stbi_info_from_memory(data, size, &width, &height, &in_file))
    throw Error("cannot read {}: its header is damaged, cut short, or tells of more than {} pixels", name,
                kMaxImagePixels);
  if (width < 1 || height < 1) throw Error("cannot read {}: it says {} x {} pixels", name, width, height);
  if (width > kMaxImageSide || height > kMaxImageSide || std::int64_t{width} * height > kMaxImagePixels)
    throw Error("cannot read {}: {} x {} pixels are too many (at most {} a side, {} in all); scale it down",
                name, width, height, kMaxImageSide, kMaxImagePixels);

  if (is_cut_short(bytes, width, height)) throw Error("cannot read {}: it is cut short", name);

  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data, size, &width, &height, &in_file, 0), stbi_image_free);
  if (!pixels) throw Error("cannot read {}: damaged or cut short ({})", name, stbi_failure_reason());
  Image image = without_alpha(pixels.get(), width, height, in_file);
  return channels == 0 || channels == image.channels ? image : convert(image, channels);
}

Image read_image(const fs::path& path, int channels) {
  const std::string name = path.string();
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) throw Error("cannot read {}: no such file", name);
  if (fs::is_directory(status)) throw Error("cannot read {}: a folder, not an image file", name);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("cannot read {}: {}", name, std::strerror(errno));

  // A look at the start before the rest is read: the path may lead to any large file, or to one without end.
  std::vector<std::byte> bytes(16);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (is_known_format(bytes)) {
    std::array<char, 1 << 16> block;
    while (file.read(block.data(), block.size()), file.gcount() > 0) {
      const auto* start = reinterpret_cast<const std::byte*>(block.data());
      bytes.insert(bytes.end(), start, start + file.gcount());
      if (bytes.size() > std::size_t{1} << 30) break;
    }
  }
  if (file.bad()) throw Error("cannot read {}: {}", name, std::strerror(errno));
  return decode_image(bytes, name, channels);
}

std::vector<std::byte> encode_png(const Image& image) {
  if (image.empty() || (image.channels != 1 && image.channels != 3))
    throw Error(
        "cannot write a PNG of {} x {} pixels and {} channels: give at least one pixel of 1 or 3 channels",
        image.width, image.height, image.channels);
  std::vector<std::byte> bytes;
  const auto append = [](void* context, void* data, int size) {
    auto& out = *static_cast<std::vector<std::byte>*>(context);
    const auto* start = static_cast<const std::byte*>(data);
    out.insert(out.end(), start, start + size);
  };
  if (!stbi_write_png_to_func(append, &bytes, image.width, image.height, image.channels, image.pixels.data(),
                              image.width * image.channels))
    throw Error("cannot write a PNG of {} x {} pixels: out of memory", image.width, image.height);
  return bytes;
}

void write_png(const fs::path& path, const Image& image) { write_file(path, encode_png(image)); }

}  // namespace tapeline
