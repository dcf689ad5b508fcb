#include "engine/io/safetensors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/safetensors_digests.h"
#include "engine/io/safetensors_header.h"

namespace tapeline {

static_assert(std::endian::native == std::endian::little, "tensors are stored as they lie in memory");

namespace {

constexpr std::size_t kPrefix = 8;
/// The format allows 100 MB; but taken apart, a header may take ten times its size in memory.
constexpr std::uint64_t kLargestHeader = 8 << 20;

/// The length of the header of a file of `size` bytes that begins with `start`.
std::size_t header_length(std::span<const std::byte> start, std::uint64_t size, const std::string& file) {
  if (size < kPrefix) throw Error("{}: {} bytes are too few for a safetensors file", file, size);
  std::uint64_t length = 0;
  std::memcpy(&length, start.data(), kPrefix);
  if (length > kLargestHeader && length <= size - kPrefix)
    throw Error("{}: a header of {} bytes; no more than {} are read", file, length, kLargestHeader);
  if (length > size - kPrefix)
    throw Error("{}: header of {} bytes in a file of {}; not a safetensors file, or cut short", file, length,
                size);
  return length;
}

/// Every tensor's bytes are as many as its shape says, and all together cover the data exactly once.
void check_layout(const std::map<std::string, Safetensors::Entry>& entries, std::size_t data_bytes,
                  const std::string& file) {
  std::vector<std::pair<std::string_view, Safetensors::Entry>> order(entries.begin(), entries.end());
  std::ranges::sort(order, {}, [](const auto& e) { return std::pair(e.second.begin, e.second.end); });
  std::size_t covered = 0;
  for (const auto& [name, entry] : order) {
    if (entry.begin > entry.end || entry.end > data_bytes)
      throw Error("{}: tensor '{}' lies at bytes {} to {} of {}; the file is damaged or cut short", file,
                  name, entry.begin, entry.end, data_bytes);
    const std::size_t bytes = entry.end - entry.begin, size = size_of(entry.dtype);
    if (bytes % size != 0 || bytes / size != static_cast<std::size_t>(entry.shape.elements()))
      throw Error("{}: tensor '{}', {} {}, cannot take {} bytes; the file is damaged", file, name,
                  name_of(entry.dtype), entry.shape.text(), bytes);
    if (entry.begin != covered)
      throw Error(
          "{}: tensor '{}' begins at byte {}, and the one before ends at {}; tensors must not overlap or "
          "leave gaps",
          file, name, entry.begin, covered);
    covered = entry.end;
  }
  if (covered != data_bytes)
    throw Error("{}: {} bytes follow the last tensor; the file is damaged", file, data_bytes - covered);
}

std::string_view safetensors_name(DType type) {
  for (const auto& [name, known] : kSafetensorsTypes)
    if (known == type) return name;
  throw Error("safetensors: no name for type {}", name_of(type));
}

std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error("safetensors: a name or a metadata text is not UTF-8; write it as UTF-8");
  }
}

std::string make_header(const std::vector<NamedTensor>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) header += fmt::format("{}:{},", quoted(key), quoted(value));
    header.back() = '}';
    header += ",";
  }
  std::size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t end = offset + tensor.view().bytes();
    const Shape& shape = tensor.shape();
    header += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}},", quoted(name),
                          safetensors_name(tensor.dtype()), fmt::join(shape.begin(), shape.end(), ","),
                          offset, end);
    offset = end;
  }
  if (header.back() == ',') header.pop_back();
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

}  // namespace

Safetensors Safetensors::read(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) throw Error("{}: cannot be read: {}", name, error.message());
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error("{}: cannot be opened: {}", name, std::generic_category().message(errno));
  const auto read = [&](void* to, std::size_t bytes) {
    stream.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
    if (!stream) throw Error("{}: ends before its {} bytes could be read", name, size);
  };

  std::array<std::byte, kPrefix> prefix{};
  if (size >= kPrefix) read(prefix.data(), kPrefix);
  std::string header(header_length(prefix, size, name), '\0');
  read(header.data(), header.size());
  Safetensors result(header, size - kPrefix - header.size(), name);
  const auto digests = take_digests(header, name, result.metadata_);
  read(result.data_.get(), size - kPrefix - header.size());
  result.check(digests);
  return result;
}

Safetensors Safetensors::parse(std::span<const std::byte> bytes, const std::string& name) {
  const std::size_t length = header_length(bytes, bytes.size(), name);
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kPrefix, length);
  const std::span<const std::byte> data = bytes.subspan(kPrefix + length);
  Safetensors result(header, data.size(), name);
  const auto digests = take_digests(header, name, result.metadata_);
  std::ranges::copy(data, result.data_.get());
  result.check(digests);
  return result;
}

Safetensors::Safetensors(std::string_view header, std::size_t data_bytes, const std::string& name)
    : name_(name) {
  read_safetensors_header(header, name, metadata_, entries_);
  check_layout(entries_, data_bytes, name);
  data_.reset(static_cast<std::byte*>(allocate_pages(std::max<std::size_t>(data_bytes, 1))));
  if (!data_)
    throw Error("{}: no memory for its {} bytes; close other programs, or take a smaller network", name,
                data_bytes);
}

void Safetensors::check(const std::map<std::string, std::string>& digests) const {
  if (digests.empty()) return;
  for (const auto& [name, entry] : entries_) {
    const auto written = digests.find(name);
    if (written == digests.end() || written->second != digest_text(bytes(name)))
      throw Error("{}: tensor '{}' is not as it was written; the file is damaged: take another copy of it",
                  name_, name);
  }
}

const Safetensors::Entry& Safetensors::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end())
    throw Error("{}: holds no tensor '{}', but {} others", name_, name, entries_.size());
  return found->second;
}

std::span<const std::byte> Safetensors::bytes(const std::string& name) const {
  const Entry& e = entry(name);
  return {data_.get() + e.begin, e.end - e.begin};
}

void Safetensors::load(const NamedTensor& to) const {
  const Entry& e = entry(to.name);
  const View& view = to.tensor.view();
  if (e.dtype != view.dtype || e.shape != view.shape)
    throw Error("{}: tensor '{}' is {} {}, and {} {} is wanted; the file belongs to another network", name_,
                to.name, name_of(e.dtype), e.shape.text(), name_of(view.dtype), view.shape.text());
  to.tensor.device()->upload(*view.storage, view.offset, bytes(to.name));
}

void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<NamedTensor> sorted = tensors;
  std::ranges::sort(sorted, {}, [](const NamedTensor& t) {
    return std::pair(-static_cast<int>(size_of(t.tensor.dtype())), std::string_view(t.name));
  });
  std::vector<std::string_view> names;
  for (const NamedTensor& t : sorted) names.push_back(t.name), quoted(t.name);
  std::ranges::sort(names);
  if (const auto twin = std::ranges::adjacent_find(names); twin != names.end())
    throw Error("{}: two tensors are named '{}'; give each a name of its own", path.string(), *twin);
  if (std::ranges::binary_search(names, "__metadata__"))
    throw Error("{}: a tensor cannot be named __metadata__", path.string());

  std::vector<std::byte> bytes;
  const auto download = [&bytes](const NamedTensor& t) -> std::span<const std::byte> {
    const View& view = t.tensor.view();
    bytes.resize(view.bytes());
    t.tensor.device()->download(*view.storage, view.offset, bytes);
    return bytes;
  };
  std::map<std::string, std::string> all = metadata, digests;
  for (const NamedTensor& t : sorted) digests.emplace(t.name, digest_text(download(t)));
  all[std::string(kDigestOfHeader)] = kNoDigest;
  all[std::string(kDigestsOfTensors)] = nlohmann::json(digests).dump();
  std::string header = make_header(sorted, all);
  seal_header(header);
  const std::uint64_t length = header.size();
  if (length > kLargestHeader)
    throw Error("{}: a header of {} bytes is more than the {} that are read", path.string(), length,
                kLargestHeader);
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const NamedTensor& t : sorted) file.write(download(t));
  file.commit();
}

}  // namespace tapeline
