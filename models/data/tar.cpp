// A tar is a chain of 512-byte headers, each followed by its data, padded to 512; a header of zeros ends it.
// Long names come as a member of their own before the one that they name: type L (GNU), or x (pax records).

#include "models/data/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>

#include "engine/error.h"

namespace tapeline {
namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::uint64_t kMaxExtension = 1 << 20;  // a long name or pax header
constexpr std::size_t kMaxName = 4096;            // no file system has longer ones

using Header = std::array<char, kBlock>;

std::string text_field(const Header& header, std::size_t offset, std::size_t length) {
  const auto begin = header.begin() + static_cast<std::ptrdiff_t>(offset);
  return {begin, std::find(begin, begin + static_cast<std::ptrdiff_t>(length), '\0')};
}

/// An octal field, or GNU's base 256 (first bit set); nothing where it is neither.
std::optional<std::uint64_t> number_field(const Header& header, std::size_t offset, std::size_t length) {
  std::uint64_t value = 0;
  if (static_cast<unsigned char>(header[offset]) == 0x80) {
    for (std::size_t i = 1; i < length; ++i) {
      if (value >> 55) return std::nullopt;
      value = (value << 8) | static_cast<unsigned char>(header[offset + i]);
    }
    return value;
  }
  const auto field = text_field(header, offset, length);
  const auto first = field.find_first_not_of(' ');
  if (first == std::string::npos) return 0;
  const char* end = field.data() + field.size();
  const auto [rest, error] = std::from_chars(field.data() + first, end, value, 8);
  const bool blank = std::all_of(rest, end, [](char c) { return c == ' '; });
  if (error != std::errc{} || !blank) return std::nullopt;
  return value;
}

bool checksum_fits(const Header& header) {
  std::uint64_t sum = 8 * ' ';
  for (std::size_t i = 0; i < kBlock; ++i)
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>(header[i]);
  return number_field(header, 148, 8) == sum;
}

struct Extension {
  std::string name;
  std::optional<std::uint64_t> size;
};

/// pax records are `length key=value\n`, where length counts itself and the line's end.
bool read_pax(std::string_view records, Extension& extension) {
  while (!records.empty()) {
    std::size_t length = 0;
    const auto [rest, error] = std::from_chars(records.data(), records.data() + records.size(), length);
    const auto digits = static_cast<std::size_t>(rest - records.data());
    if (error != std::errc{} || length > records.size() || length < digits + 2 || *rest != ' ') return false;
    const auto record = records.substr(digits + 1, length - digits - 2);
    const auto equals = record.find('=');
    if (equals == std::string_view::npos || records[length - 1] != '\n') return false;
    const auto key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") extension.name = value;
    if (key == "size") {
      std::uint64_t size = 0;
      const auto parsed = std::from_chars(value.data(), value.data() + value.size(), size);
      if (parsed.ec != std::errc{} || parsed.ptr != value.data() + value.size()) return false;
      extension.size = size;
    }
    records.remove_prefix(length);
  }
  return true;
}

class Listing {
 public:
  explicit Listing(const std::filesystem::path& file)
      : path_(file.string()), stream_(file, std::ios::binary) {
    if (!stream_) throw Error("{}: cannot be opened for reading", path_);
    stream_.seekg(0, std::ios::end);
    size_ = static_cast<std::uint64_t>(std::max<std::streamoff>(stream_.tellg(), 0));
  }

  std::vector<TarMember> list() {
    Extension extension;
    while (at_ < size_) {
      const Header header = read_header();
      if (std::all_of(header.begin(), header.end(), [](char c) { return c == 0; })) break;
      if (!checksum_fits(header)) fail("is not a tar, or damaged (the checksum of a header is wrong)");
      const char type = header[156];
      const bool describes_next = type == 'L' || type == 'K' || type == 'x' || type == 'g';
      auto size = number_field(header, 124, 12);
      if (!describes_next && extension.size) size = extension.size;
      if (!size || *size > size_ - at_ - kBlock)
        fail("a member is larger than the file holds: it is cut off, or damaged");

      const std::uint64_t data = at_ + kBlock;
      if (describes_next) {
        read_extension(type, data, *size, extension);
      } else {
        if (type == 'S') fail("has a sparse member: pack it again with plain `tar cf`");
        if (type == '0' || type == '\0' || type == '7') add(header, extension, data, *size);
        extension = {};
      }
      at_ = data + (*size + kBlock - 1) / kBlock * kBlock;
    }
    return std::move(members_);
  }

 private:
  [[noreturn]] void fail(std::string_view why) const { throw Error("{}, at byte {}: {}", path_, at_, why); }

  Header read_header() {
    if (size_ - at_ < kBlock) fail("is not a tar, or cut off");
    Header header;
    stream_.seekg(static_cast<std::streamoff>(at_));
    if (!stream_.read(header.data(), kBlock)) fail("cannot be read");
    return header;
  }

  void read_extension(char type, std::uint64_t offset, std::uint64_t size, Extension& extension) {
    if (size > kMaxExtension) fail("has a name or an extended header of more than 1 MiB");
    std::string text(static_cast<std::size_t>(size), '\0');
    stream_.seekg(static_cast<std::streamoff>(offset));
    if (!stream_.read(text.data(), static_cast<std::streamsize>(size))) fail("cannot be read");
    if (type == 'L') extension.name = text.substr(0, text.find('\0'));
    if (type == 'x' && !read_pax(text, extension)) fail("has a damaged pax header");
  }

  void add(const Header& header, const Extension& extension, std::uint64_t offset, std::uint64_t size) {
    std::string name = extension.name;
    if (name.empty()) {
      name = text_field(header, 0, 100);
      const bool posix = std::string_view(header.data() + 257, 6) == std::string_view("ustar\0", 6);
      const auto prefix = posix ? text_field(header, 345, 155) : std::string();
      if (!prefix.empty()) name = prefix + "/" + name;
    }
    while (name.starts_with("./")) name.erase(0, 2);
    if (name.size() > kMaxName) fail("has a name of more than 4,096 bytes");
    if (!name.empty() && !name.ends_with('/')) members_.push_back({std::move(name), offset, size});
  }

  std::string path_;
  std::ifstream stream_;
  std::uint64_t size_ = 0, at_ = 0;
  std::vector<TarMember> members_;
};

}  // namespace

std::vector<TarMember> list_tar(const std::filesystem::path& file) { return Listing(file).list(); }

}  // namespace tapeline
