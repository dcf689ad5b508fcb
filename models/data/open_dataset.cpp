#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "engine/error.h"
#include "models/data/dataset.h"
#include "models/data/file_dataset.h"
#include "models/data/subset.h"
#include "models/data/synth_dataset.h"

namespace tapeline {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSynth = "synth:";

std::string read_beginning(const fs::path& file) {
  std::array<char, 512> bytes;
  std::ifstream stream(file, std::ios::binary);
  stream.read(bytes.data(), bytes.size());
  return {bytes.data(), static_cast<std::size_t>(stream.gcount())};
}

bool is_compressed(std::string_view beginning) {
  constexpr std::array<std::string_view, 4> kMagic = {"\x1F\x8B", "BZh",
                                                      "\xFD"
                                                      "7zXZ",
                                                      "\x28\xB5\x2F\xFD"};
  for (const auto magic : kMagic)
    if (beginning.starts_with(magic)) return true;
  return false;
}

DatasetPtr open_file(const std::string& path) {
  const auto beginning = read_beginning(path);
  if (is_compressed(beginning))
    throw Error("{}: is compressed: unpack it, only a plain .tar is read in place", path);
  if (has_image_extension(path))
    throw Error("{}: is one image: name its folder, or a list of `path<TAB>text` lines", path);
  if (path.ends_with(".tar") || (beginning.size() == 512 && beginning.substr(257, 5) == "ustar")) {
    auto tar = open_tar(path);
    auto listing = list_samples(*tar, path);
    return std::make_shared<FileDataset>(std::move(tar), std::move(listing));
  }
  const auto bytes = read_file(path);
  const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto parent = fs::path(path).parent_path();
  return std::make_shared<FileDataset>(open_folder(parent.empty() ? "." : parent),
                                       parse_list(content, path, "", {.spaces = true}));
}

DatasetPtr open_whole(const std::string& spec) {
  if (spec.starts_with(kSynth)) return open_synth_dataset(std::string_view(spec).substr(kSynth.size()));
  std::error_code error;
  const auto status = fs::status(spec, error);
  if (!fs::exists(status))
    throw Error("data \"{}\": there is no such file or folder, and it does not begin with {}", spec, kSynth);
  if (!fs::is_directory(status)) return open_file(spec);
  auto folder = open_folder(spec);
  auto listing = list_samples(*folder, spec);
  return std::make_shared<FileDataset>(std::move(folder), std::move(listing));
}

/// The path and the range of `PATH#FROM:TO`. A file may have a # in its name.
std::pair<std::string, std::optional<Slice>> take_range_off(std::string_view spec) {
  const auto hash = spec.rfind('#');
  std::error_code error;
  if (hash == std::string_view::npos || fs::exists(spec, error)) return {std::string(spec), std::nullopt};
  const auto slice = parse_slice(spec.substr(hash + 1));
  if (!slice)
    throw Error("data \"{}\": there is no such file, and {} is not a range such as #0:1600 or #-400:", spec,
                spec.substr(hash));
  return {std::string(spec.substr(0, hash)), slice};
}

}  // namespace

const std::vector<Problem>& Dataset::problems() const {
  static const std::vector<Problem> kNone;
  return kNone;
}

DatasetPtr open_dataset(std::string_view spec, bool strict) {
  const auto [path, slice] = take_range_off(spec);
  auto dataset = open_whole(path);
  const auto& problems = dataset->problems();
  if (!problems.empty() && (strict || dataset->size() == 0))
    throw Error("data \"{}\": {}: {}", path, problems.front().name, problems.front().why);
  if (dataset->size() == 0)
    throw Error("data \"{}\": the list is empty: put lines `path<TAB>text` in it", path);
  return slice ? take_slice(std::move(dataset), *slice) : dataset;
}

}  // namespace tapeline
