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
#include <utility>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/image/byte_order.h"
#include "models/image/image_header.h"
#include "models/image/orientation.h"
#include "models/image/stb.h"

namespace tapeline {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostFileBytes = std::size_t{1} << 30;

/// A picture may have so many samples (pixels times channels) for nothing, and then so many for each byte of
/// its file. JPEG cannot give 256; PNG and BMP can, of an empty page.
constexpr std::int64_t kFreeSamples = 16 << 20, kSamplesPerByte = 256;

/// Of a JPEG; programs write up to a dozen. Each costs a few bytes, and time for every pixel.
constexpr int kMostScans = 100;

/// stb_image takes what lies past the end of a JPEG or BMP file for zeros; here such a file is an error.
bool is_cut_short(ImageFormat format, const ImageHeader& header, std::span<const std::byte> bytes) {
  if (format == ImageFormat::jpeg) {  // the last scan has to be followed by the end-of-image marker
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto scan = text.rfind("\xff\xda"), end = text.rfind("\xff\xd9");
    return scan == text.npos || end == text.npos || end < scan;
  }
  std::int64_t row = 0;
  if (format == ImageFormat::bmp) row = (header.width * header.depth + 31) / 32 * 4;
  if (format == ImageFormat::pnm) row = header.width * header.channels * (header.depth > 255 ? 2 : 1);
  return static_cast<std::int64_t>(header.data) + row * header.height >
         static_cast<std::int64_t>(bytes.size());
}

/// Values are scaled to 0..255; 16 bits are stored with the high byte first.
Image decode_pnm(const ImageHeader& header, std::span<const std::byte> bytes) {
  Image image(static_cast<int>(header.width), static_cast<int>(header.height), header.channels);
  const std::size_t size = header.depth > 255 ? 2 : 1;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const auto value = static_cast<int>(big_endian(bytes, header.data + i * size, size));
    image.pixels[i] = static_cast<std::uint8_t>(std::min(value, header.depth) * 255 / header.depth);
  }
  return image;
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

namespace {

void check_size(const ImageHeader& header, std::size_t file_bytes, std::string_view name,
                const ImageLimits& limits) {
  const auto [width, height, channels, data, depth, orientation] = header;
  if (width < 1 || height < 1)
    throw Error("cannot read {}: it says {} x {} pixels; the file is damaged, save it again", name, width,
                height);
  if (width > limits.side || height > limits.side || width * height > limits.pixels)
    throw Error("cannot read {}: {} x {} pixels are too many (at most {} a side, {} in all); scale it down",
                name, width, height, limits.side, limits.pixels);
  const std::int64_t most = kFreeSamples + kSamplesPerByte * static_cast<std::int64_t>(file_bytes);
  if (width * height * channels > most)
    throw Error(
        "cannot read {}: {} x {} pixels out of {} bytes; a picture so empty is taken for an attack: "
        "cut it down",
        name, width, height, file_bytes);
}

/// A JPEG is decoded in blocks of up to 32 x 32 pixels.
std::int64_t decoded_pixels(ImageFormat format, const ImageHeader& header) {
  const std::int64_t block = format == ImageFormat::jpeg ? 32 : 1;
  return (header.width + block - 1) / block * block * ((header.height + block - 1) / block * block);
}

Image decode_with_stb(std::span<const std::byte> bytes, const ImageHeader& header, std::string_view name) {
  // Beyond the pixels, stb_image holds the packed file once, in a buffer that doubles.
  const auto samples = static_cast<std::size_t>(header.width * header.height * std::max(header.channels, 1));
  const StbLimit limit(8 * samples + 2 * bytes.size() + (1 << 20));
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data, static_cast<int>(bytes.size()), &width, &height, &channels, 0),
      stbi_image_free);
  if (!pixels) {
    const std::string_view reason = stbi_failure_reason();
    if (reason == "outofmem")
      throw Error("cannot read {}: it unpacks to more than its header says, or memory has run out", name);
    throw Error("cannot read {}: damaged or cut short ({}); copy or save it again", name, reason);
  }
  if (width != header.width || height != header.height)
    throw Error(
        "cannot read {}: it says {} x {} pixels and holds {} x {}; the file is damaged, save it again", name,
        header.width, header.height, width, height);
  return without_alpha(pixels.get(), width, height, channels);
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, std::string_view name, int channels,
                   const ImageLimits& limits) {
  if (channels != 0 && channels != 1 && channels != 3)
    throw Error("cannot read {} as {} channels: ask for 0 (as it is), 1 (grey) or 3 (RGB)", name, channels);
  if (bytes.empty()) throw Error("cannot read {}: the file is empty; copy or save it again", name);
  const auto format = image_format(bytes);
  if (!format)
    throw Error("cannot read {}: not an image ({} are read); convert it to one", name, kImageFormats);
  if (bytes.size() > kMostFileBytes)
    throw Error("cannot read {}: more than {} bytes; scale it down", name, kMostFileBytes);
  const auto header = read_image_header(*format, bytes);
  if (!header) throw Error("cannot read {}: its header is damaged or cut short; copy or save it again", name);
  check_size(*header, bytes.size(), name, limits);
  if (*format == ImageFormat::jpeg && count_scans(bytes) > kMostScans)
    throw Error("cannot read {}: more than {} scans over one picture are taken for an attack; save it again",
                name, kMostScans);
  if (is_cut_short(*format, *header, bytes))
    throw Error("cannot read {}: it is cut short; copy it again", name);

  Image image =
      *format == ImageFormat::pnm ? decode_pnm(*header, bytes) : decode_with_stb(bytes, *header, name);
  if (channels != 0 && channels != image.channels) image = convert(image, channels);
  return turn_upright(std::move(image), header->orientation);
}

std::int64_t decoding_memory(std::span<const std::byte> bytes, const ImageLimits& limits) {
  const auto format = image_format(bytes);
  const auto header = format ? read_image_header(*format, bytes) : std::nullopt;
  std::int64_t samples = 0;
  if (header && header->width > 0 && header->width <= limits.side && header->height > 0 &&
      header->height <= limits.side)
    samples =
        (header->width * header->height > limits.pixels ? limits.pixels : decoded_pixels(*format, *header)) *
        std::clamp(header->channels, 1, 4);
  return 4 * (static_cast<std::int64_t>(bytes.size()) + std::max(kFreeSamples, samples));
}

std::vector<std::byte> read_image_bytes(const fs::path& path) {
  const std::string name = path.string();
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) throw Error("cannot read {}: no such file", name);
  if (fs::is_directory(status)) throw Error("cannot read {}: a folder, not an image file", name);
  if (fs::exists(status) && !fs::is_regular_file(status))
    throw Error("cannot read {}: a pipe or a device, not a file; `-` reads the standard input", name);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("cannot read {}: {}", name, std::strerror(errno));

  // A look at the start before the rest is read: the path may lead to any large file.
  std::vector<std::byte> bytes(16);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (image_format(bytes)) {
    std::array<char, 1 << 16> block;
    while (file.read(block.data(), block.size()), file.gcount() > 0) {
      const auto* start = reinterpret_cast<const std::byte*>(block.data());
      bytes.insert(bytes.end(), start, start + file.gcount());
      if (bytes.size() > kMostFileBytes) break;
    }
  }
  if (file.bad()) throw Error("cannot read {}: {}", name, std::strerror(errno));
  return bytes;
}

Image read_image(const fs::path& path, int channels, const ImageLimits& limits) {
  return decode_image(read_image_bytes(path), path.string(), channels, limits);
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
