#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace tapeline {

/// When the bytes have to be on the disk: before the file appears under its name, or at the next
/// sync_files(), for thousands of small files that are worth nothing until the last of them is there.
enum class Sync { now, later };

/// The one way to write a file: under a temporary name beside it, then fsync, then rename. Whoever opens the
/// file sees the old contents or the new ones, never a part, even when the power fails in between. What has
/// not been committed leaves nothing behind. A symbolic link is followed. All throw Error with the file's
/// name and the system's reason.
class AtomicFile {
 public:
  /// Throws when the folder is missing or cannot be written to, or when `path` is there and is no ordinary
  /// file.
  explicit AtomicFile(const std::filesystem::path& path, Sync sync = Sync::now);
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
  Sync sync_;
};

/// A whole file at once.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes, Sync sync = Sync::now);
void write_file(const std::filesystem::path& path, std::string_view text);

/// Waits until all that was written to the file system of `folder` is on the disk. Throws where the system
/// says that something is not.
void sync_files(const std::filesystem::path& folder);

/// Removes what an AtomicFile of a process that was killed left in `folder`. Only while no other process
/// writes there: see FolderLock.
void remove_unfinished_files(const std::filesystem::path& folder);

}  // namespace tapeline
