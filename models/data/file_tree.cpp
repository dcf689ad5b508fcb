#include "models/data/file_tree.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <system_error>
#include <unordered_map>

#include "engine/error.h"
#include "models/data/natural_order.h"
#include "models/data/tar.h"

namespace tapeline {
namespace fs = std::filesystem;

namespace {

std::ifstream open_for_reading(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    throw Error("{}: {}", path.string(),
                fs::exists(path, error) ? "is not a file but a folder, a pipe or a device: save it as one"
                                        : "there is no such file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error("{}: cannot be opened for reading", path.string());
  return stream;
}

class Folder : public FileTree {
 public:
  explicit Folder(fs::path folder) : folder_(std::move(folder)) {
    std::error_code error;
    for (fs::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
      std::error_code ignored;
      if (entry->is_regular_file(ignored)) names_.push_back(entry->path().filename().string());
    }
    if (error) throw Error("{}: the folder cannot be listed: {}", folder_.string(), error.message());
    std::sort(names_.begin(), names_.end(), natural_less);
  }

  const std::vector<std::string>& names() const override { return names_; }

  bool contains(const std::string& name) const override {
    std::error_code error;
    return fs::is_regular_file(folder_ / name, error);
  }

  std::vector<std::byte> read(const std::string& name) const override { return read_file(folder_ / name); }

 private:
  fs::path folder_;
  std::vector<std::string> names_;
};

class Tar : public FileTree {
 public:
  explicit Tar(fs::path file) : file_(std::move(file)) {
    for (auto& member : list_tar(file_)) {
      const auto [at, added] = members_.insert_or_assign(member.name, member);
      if (added) names_.push_back(at->first);
    }
    std::sort(names_.begin(), names_.end(), natural_less);
  }

  const std::vector<std::string>& names() const override { return names_; }
  bool contains(const std::string& name) const override { return members_.contains(name); }

  std::vector<std::byte> read(const std::string& name) const override {
    const auto found = members_.find(name);
    if (found == members_.end()) throw Error("{}: the tar has no file {}", file_.string(), name);
    return read_file(file_, found->second.offset, found->second.size);
  }

 private:
  fs::path file_;
  std::unordered_map<std::string, TarMember> members_;
  std::vector<std::string> names_;
};

}  // namespace

std::vector<std::byte> read_file(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return read_file(path, 0, error ? 0 : size);
}

std::vector<std::byte> read_file(const fs::path& path, std::uint64_t offset, std::uint64_t size) {
  auto stream = open_for_reading(path);
  if (size > kMaxFileBytes)
    throw Error("{}: {} bytes are more than the {} that are read of one file", path.string(), size,
                kMaxFileBytes);
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  stream.seekg(static_cast<std::streamoff>(offset));
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!stream) throw Error("{}: {} bytes at {} cannot be read", path.string(), size, offset);
  return bytes;
}

std::unique_ptr<FileTree> open_folder(const fs::path& folder) { return std::make_unique<Folder>(folder); }

std::unique_ptr<FileTree> open_tar(const fs::path& file) { return std::make_unique<Tar>(file); }

bool has_image_extension(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string extension(name.substr(dot + 1));
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  constexpr std::array kKnown = {"png", "jpg", "jpeg", "bmp", "pgm", "ppm"};
  return std::find(kKnown.begin(), kKnown.end(), extension) != kKnown.end();
}

std::string_view folder_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : name.substr(0, slash + 1);
}

std::string_view stem_of(std::string_view name) {
  const auto file = name.substr(folder_of(name).size());
  return file.substr(0, file.rfind('.'));
}

}  // namespace tapeline
