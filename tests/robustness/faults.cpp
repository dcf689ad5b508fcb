#include "tests/robustness/faults.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>

extern "C" int __lsan_do_recoverable_leak_check() __attribute__((weak));
int tapeline_main(int argc, char** argv);

namespace tapeline {

namespace {

/// Shared with the child, so that it can be read when that is dead.
struct Shared {
  std::atomic<bool> armed, happened;
  std::atomic<std::int64_t> calls, news;
  FaultPlan plan;
};

Shared* shared() {
  static Shared* const memory = static_cast<Shared*>(
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  return memory;
}
Shared* state = nullptr;

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

struct Verdict {
  int error = 0;
  bool half = false;
};

/// What is to happen at a system call that changes a file.
Verdict at_call(bool needs_room, bool can_be_interrupted, bool can_be_short) {
  if (!state || !state->armed) return {};
  const std::int64_t number = ++state->calls;
  const auto [fault, at] = state->plan;
  if (number < at || (number > at && fault != Fault::disk_full)) return {};
  const bool applies =
      fault == Fault::killed || fault == Fault::io_error || (fault == Fault::disk_full && needs_room) ||
      (fault == Fault::short_write && can_be_short) || (fault == Fault::interrupted && can_be_interrupted);
  if (!applies) return {};
  state->happened = true;
  if (fault == Fault::killed) die();
  if (fault == Fault::short_write) return {0, true};
  return {fault == Fault::io_error ? EIO : fault == Fault::disk_full ? ENOSPC : EINTR, false};
}

void at_new() {
  if (!state || !state->armed) return;
  const std::int64_t number = ++state->news;
  const auto [fault, at] = state->plan;
  if (number != at || (fault != Fault::no_memory && fault != Fault::killed_at_new)) return;
  state->happened = true;
  if (fault == Fault::killed_at_new) die();
  if (const std::new_handler handler = std::get_new_handler()) handler();
  throw std::bad_alloc();
}

int failed(int error) {
  errno = error;
  return -1;
}

std::string text_of(int file) {
  std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
  if (::pread(file, text.data(), text.size(), 0) < 0) text.clear();
  return text;
}

int memory_file(const std::string& content = "") {
  const int file = ::memfd_create("tapeline", 0);
  if (file < 0 || ::syscall(SYS_write, file, content.data(), content.size()) < 0 ||
      ::lseek(file, 0, SEEK_SET) != 0)
    throw std::runtime_error("memfd_create");
  return file;
}

Ran run_child(const std::function<int()>& work, FaultPlan plan, const std::string& input, unsigned seconds) {
  const int in = memory_file(input), out = memory_file(), err = memory_file();
  Shared& s = *shared();
  s.armed = s.happened = false;
  s.calls = s.news = 0;
  s.plan = plan;
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::alarm(seconds);
    state = &s;
    s.armed = true;
    int status = work();
    s.armed = false;
    std::fflush(stdout);
    if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check()) status = 99;
    ::_exit(status);
  }
  int status = 0;
  rusage used{};
  ::wait4(child, &status, 0, &used);
  Ran ran{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          text_of(out),
          text_of(err),
          s.happened,
          s.calls,
          s.news,
          used.ru_maxrss * 1024};
  for (const int file : {in, out, err}) ::close(file);
  return ran;
}

}  // namespace

Ran run_in_child(const std::function<int()>& work, FaultPlan plan, unsigned seconds) {
  return run_child(work, plan, "", seconds);
}

Ran run_program(const std::vector<std::string>& arguments, FaultPlan plan, const std::string& input) {
  std::vector<char*> argv{const_cast<char*>("tapeline")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  return run_child([&] { return tapeline_main(static_cast<int>(argv.size()) - 1, argv.data()); }, plan, input,
                   120);
}

std::int64_t cases(const char* variable, std::int64_t few) {
  const char* given = std::getenv(variable);
  return given ? std::atoll(given) : few;
}

bool is_slow() { return __lsan_do_recoverable_leak_check != nullptr; }

}  // namespace tapeline

// The replaced functions. They do what the C library's do, by the bare system call.

using tapeline::at_call;
using tapeline::failed;

extern "C" {

int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  if ((flags & O_ACCMODE) != O_RDONLY)
    if (const auto verdict = at_call(true, true, false); verdict.error) return failed(verdict.error);
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

ssize_t write(int file, const void* bytes, size_t count) {
  if (file > STDERR_FILENO) {
    const auto verdict = at_call(true, true, count > 1);
    if (verdict.error) return failed(verdict.error);
    if (verdict.half) count /= 2;
  }
  return ::syscall(SYS_write, file, bytes, count);
}

ssize_t writev(int file, const iovec* parts, int count) {
  if (file > STDERR_FILENO)
    if (const auto verdict = at_call(true, true, false); verdict.error) return failed(verdict.error);
  return ::syscall(SYS_writev, file, parts, count);
}

int fsync(int file) {
  if (const auto verdict = at_call(true, true, false); verdict.error) return failed(verdict.error);
  return static_cast<int>(::syscall(SYS_fsync, file));
}

int syncfs(int file) noexcept {
  if (const auto verdict = at_call(true, false, false); verdict.error) return failed(verdict.error);
  return static_cast<int>(::syscall(SYS_syncfs, file));
}

int rename(const char* from, const char* to) noexcept {
  if (const auto verdict = at_call(true, false, false); verdict.error) return failed(verdict.error);
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (const auto verdict = at_call(true, false, false); verdict.error) return failed(verdict.error);
  return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
}

void* operator new(std::size_t size) {
  tapeline::at_new();
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  tapeline::at_new();
  const auto to = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(to, (size + to - 1) / to * to)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
