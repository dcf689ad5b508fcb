#include "engine/io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/error.h"

namespace tapeline {

namespace {

namespace fs = std::filesystem;

int synced(int descriptor) {
  int result = 0;
  do result = ::fsync(descriptor);
  while (result != 0 && errno == EINTR);
  return result;
}

/// The name of a temporary file, and whether a name is one.
std::string unfinished_name(const std::string& name, unsigned number) {
  return fmt::format(".{}.{}-{}.tmp", name.substr(0, 200), ::getpid(), number);
}
bool is_unfinished_name(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(".tmp")) return false;
  name.remove_suffix(4);
  const std::string_view numbers = name.substr(std::min(name.rfind('.'), name.size()));
  const auto dash = numbers.find('-');
  return dash != numbers.npos && dash > 1 && dash + 1 < numbers.size() &&
         numbers.substr(1).find_first_not_of("0123456789-") == numbers.npos;
}

/// The file that is meant by `path`, through symbolic links.
fs::path target_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_symlink(path, error)) return path;
  const fs::path target = fs::weakly_canonical(path, error);
  if (error) throw Error("{}: cannot follow the symbolic link: {}", path.string(), error.message());
  return target;
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path, Sync sync) : path_(target_of(path)), sync_(sync) {
  std::error_code error;
  const fs::file_status status = fs::status(path_, error);
  if (!path_.has_filename() || (fs::exists(status) && !fs::is_regular_file(status)))
    throw Error("{}: cannot be written: it is not an ordinary file; name one", path.string());

  static std::atomic<unsigned> counter{0};
  do {
    temporary_ = folder_of(path_) / unfinished_name(path_.filename().string(), counter++);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
  if (descriptor_ < 0) fail("cannot be created");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (descriptor_ < 0) throw Error("{}: written to after commit()", path_.string());
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) throw Error("{}: committed twice", path_.string());
  if (sync_ == Sync::now && synced(descriptor_) != 0) fail("cannot be written to disk");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be put in place");
  ::close(descriptor_);
  descriptor_ = -1;
  if (sync_ == Sync::later) return;
  // The name, too, has to reach the disk. Not every file system can sync a folder; the file is there anyway.
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  synced(folder);
  ::close(folder);
}

void AtomicFile::fail(const char* doing) const {
  const int reason = errno;
  throw Error("{}: {}: {}", path_.string(), doing, std::generic_category().message(reason));
}

void write_file(const fs::path& path, std::span<const std::byte> bytes, Sync sync) {
  AtomicFile file(path, sync);
  file.write(bytes);
  file.commit();
}

void write_file(const fs::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

void sync_files(const fs::path& folder) {
#ifdef __linux__
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool done = descriptor >= 0 && ::syncfs(descriptor) == 0;
  const int reason = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!done)
    throw Error("{}: cannot be written to disk: {}", folder.string(),
                std::generic_category().message(reason));
#else
  static_cast<void>(folder);
  ::sync();
#endif
}

void remove_unfinished_files(const fs::path& folder) {
  std::vector<fs::path> unfinished;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (is_unfinished_name(entry->path().filename().string())) unfinished.push_back(entry->path());
  for (const fs::path& file : unfinished) fs::remove(file, error);
}

}  // namespace tapeline
