#pragma once

// Runs build/apps/tapeline as a person would, and keeps what it says.

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace tapeline {

struct Outcome {
  int status = -1;  // 128 + the signal's number where one ended it
  std::string out, err;
};

/// A running program. Its standard input holds `input`; its standard output goes to a file, or to `output`.
class RunningProgram {
 public:
  explicit RunningProgram(const std::vector<std::string>& arguments, const std::string& input = "",
                          const std::string& output = "");
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  void signal(int number) const;
  /// Waits for the end.
  Outcome finish();

 private:
  std::string folder_;
  pid_t pid_ = -1;
};

Outcome run(const std::vector<std::string>& arguments, const std::string& input = "",
            const std::string& output = "");

/// Whether `holds` becomes true within two minutes.
bool wait_until(const std::function<bool()>& holds);

}  // namespace tapeline
