#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace tapeline {

/// The one way to write a file: under a temporary name beside it, then fsync, then rename. Whoever opens the
/// file sees the old contents or the new ones, never a part, even when the power fails in between. What has
/// not been committed leaves nothing behind. A symbolic link is followed. All throw Error with the file's
/// name and the system's reason.
class AtomicFile {
 public:
  /// Throws when the folder is missing or cannot be written to, or when `path` is there and is no ordinary
  /// file.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Makes the file appear under its name. Nothing can be written after that.
  void commit();

 private:
  [[noreturn]] void fail(const char* doing) const;
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

/// A whole file at once.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace tapeline
