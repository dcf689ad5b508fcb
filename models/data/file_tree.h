#pragma once

// Where the files of a data set lie: a folder, or a tar that is read in place. Both are asked in the same
// way.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tapeline {

/// Larger files are refused: no picture and no list of labels is that large.
inline constexpr std::size_t kMaxFileBytes = std::size_t{1} << 28;

/// A whole file, or `size` bytes of it from `offset`. Throws Error where it cannot be read, is shorter, or
/// exceeds kMaxFileBytes.
std::vector<std::byte> read_file(const std::filesystem::path& path);
std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t offset, std::uint64_t size);

/// Functions may be called from several threads at once.
class FileTree {
 public:
  virtual ~FileTree() = default;

  /// Names of the files, '/' between folders, in natural order. A folder lists its own files only; a tar
  /// lists all.
  virtual const std::vector<std::string>& names() const = 0;
  virtual bool contains(const std::string& name) const = 0;

  /// A file by its name, in a folder also `sub/folder/file`. Throws Error where there is none.
  virtual std::vector<std::byte> read(const std::string& name) const = 0;
};

std::unique_ptr<FileTree> open_folder(const std::filesystem::path& folder);

/// Throws Error for what is not a plain tar, is cut off, or has sizes that the file does not hold.
std::unique_ptr<FileTree> open_tar(const std::filesystem::path& file);

/// png, jpg, jpeg, bmp, pgm or ppm, in any case.
bool has_image_extension(std::string_view name);

/// `a/b/c.png`: the folder is `a/b/`, the stem `c`.
std::string_view folder_of(std::string_view name);
std::string_view stem_of(std::string_view name);

}  // namespace tapeline
