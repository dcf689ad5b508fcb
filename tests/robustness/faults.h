#pragma once

// Makes things go wrong on purpose, in a child of the test's own process: the n-th system call that changes a
// file, or the n-th allocation, fails or ends the process. The functions of the C library and operator new
// are replaced in this program alone; what is tested is compiled as always.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tapeline {

enum class Fault {
  none,
  killed,         // SIGKILL instead of the call
  io_error,       // it fails with EIO, once
  disk_full,      // it and all later ones that would need room fail with ENOSPC
  short_write,    // a write takes half of what it is given
  interrupted,    // it fails with EINTR, once
  no_memory,      // the allocation throws std::bad_alloc
  killed_at_new,  // SIGKILL instead of the allocation
};

struct FaultPlan {
  Fault fault = Fault::none;
  std::int64_t at = 0;  // counted from 1
};

struct Ran {
  int status = -1;  // 128 + the signal's number where one ended it
  std::string out, err;
  bool happened = false;             // the fault
  std::int64_t calls = 0, news = 0;  // that there were
  std::int64_t memory = 0;           // the most that was resident, in bytes
};

/// Seconds for a test that may be asked to be a long one.
inline constexpr unsigned kPatience = 3600;

/// Runs `work` in a child process under the plan; its status is what `work` returns. A child that hangs is
/// ended by SIGALRM after so many seconds; one that leaks has status 99, where the leak sanitizer is there.
Ran run_in_child(const std::function<int()>& work, FaultPlan plan = {}, unsigned seconds = 120);

/// The whole program, with these arguments.
Ran run_program(const std::vector<std::string>& arguments, FaultPlan plan = {},
                const std::string& input = "");

/// How many cases to try: `few`, unless the environment asks for another number.
std::int64_t cases(const char* variable, std::int64_t few);

/// True under the sanitizers, which make everything some ten times slower.
bool is_slow();

}  // namespace tapeline
