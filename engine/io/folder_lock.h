#pragma once

#include <filesystem>

namespace tapeline {

/// One process at a time writes into a folder. The lock is the system's (flock on the folder itself), so it
/// leaves no file, and ends with the process, however that ends. Where the file system knows no locks, there
/// is none.
class FolderLock {
 public:
  /// Throws, naming the folder, when another process has it, or another FolderLock of this one. Then removes
  /// what a process that was killed while it wrote had left there (see remove_unfinished_files()).
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace tapeline
