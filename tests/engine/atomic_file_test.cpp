// Files appear whole or not at all, and nothing else is left in the folder.

#include "engine/io/atomic_file.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "engine/error.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

namespace tapeline {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

TEST_CASE("atomic file: appears on commit, and replaces what was there") {
  const TemporaryFolder folder;
  write_file(folder / "a.txt", "old");
  {
    AtomicFile file(folder / "a.txt");
    file.write("new, ");
    file.write("and longer");
    CHECK(read_text(folder / "a.txt") == "old");
    file.commit();
    CHECK(read_text(folder / "a.txt") == "new, and longer");
    CHECK_THROWS_AS(file.commit(), Error);
    CHECK_THROWS_AS(file.write("more"), Error);
  }
  write_file(folder / "empty", "");
  CHECK(fs::file_size(folder / "empty") == 0);
  CHECK(folder.names() == Names{"a.txt", "empty"});
}

TEST_CASE("atomic file: who has opened the old file reads it to its end") {
  const TemporaryFolder folder;
  const std::string old(100'000, 'o');
  write_file(folder / "model", old);
  std::ifstream reader(folder / "model", std::ios::binary);
  std::string read(10, '\0');
  reader.read(read.data(), 10);
  write_file(folder / "model", std::string(50'000, 'n'));
  read.append(std::istreambuf_iterator<char>(reader), {});
  CHECK(read == old);
}

TEST_CASE("atomic file: without commit nothing happens") {
  const TemporaryFolder folder;
  write_file(folder / "a.txt", "old");
  {
    AtomicFile file(folder / "a.txt");
    file.write("new");
  }
  CHECK(read_text(folder / "a.txt") == "old");
  CHECK(folder.names() == Names{"a.txt"});
}

TEST_CASE("atomic file: two writers of one file do not meet") {
  const TemporaryFolder folder;
  AtomicFile a(folder / "f"), b(folder / "f");
  a.write("aaaa");
  b.write("bb");
  a.commit();
  b.commit();
  CHECK(read_text(folder / "f") == "bb");
  CHECK(folder.names() == Names{"f"});
}

TEST_CASE("atomic file: names are any names, and symbolic links are followed") {
  const TemporaryFolder folder;
  const std::string longest(255, 'x');
  write_file(folder / longest, "long");
  write_file(folder / "with space \xC3\xA9", "odd");
  CHECK(read_text(folder / longest) == "long");
  write_file(folder / "target", "old");
  fs::create_symlink("target", folder / "link");
  write_file(folder / "link", "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_text(folder / "target") == "new");
}

TEST_CASE("atomic file: what cannot be written is named, with the reason") {
  const TemporaryFolder folder;
  const std::string missing = (folder / "missing/a.txt").string();
  CHECK_THROWS_WITH_AS(write_file(missing, "x"),
                       (missing + ": cannot be created: No such file or directory").c_str(), Error);
  CHECK_THROWS_AS(write_file(folder.path(), "x"), Error);
  CHECK_THROWS_AS(write_file(folder.path() / "", "x"), Error);
  CHECK_THROWS_AS(write_file("", "x"), Error);
  CHECK_THROWS_AS(write_file("/dev/null", "x"), Error);
  CHECK_THROWS_AS(write_file("/proc/tapeline", "x"), Error);  // read-only even for root
  CHECK_THROWS_AS(write_file(folder / std::string(256, 'x'), "x"), Error);
  fs::create_symlink("loop", folder / "loop");
  CHECK_THROWS_AS(write_file(folder / "loop", "x"), Error);
  fs::remove(folder / "loop");

  if (::geteuid() != 0) {
    fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
    const std::string denied = (folder / "a.txt").string();
    CHECK_THROWS_WITH_AS(write_file(denied, "x"), (denied + ": cannot be created: Permission denied").c_str(),
                         Error);
    fs::permissions(folder.path(), fs::perms::owner_all);
  }
  CHECK(folder.names().empty());
}

TEST_CASE("atomic file: on a disk that is full the old file stays, and nothing else does") {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", "old");
  const auto before = ::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  const rlimit small{1000, limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string path = (folder / "a.bin").string();
  const std::string message = error_of([&] { write_file(path, std::string(5000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::signal(SIGXFSZ, before);
  CHECK(message == path + ": cannot be written: File too large");
  CHECK(read_text(path) == "old");
  CHECK(folder.names() == Names{"a.bin"});
}

}  // namespace tapeline
