#pragma once

// What people see while a command works, all of it on the standard error; the standard output belongs to
// results.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tapeline {

/// One line that says how far the work is: rewritten in place on a terminal, otherwise a plain line now and
/// then.
class Progress {
 public:
  /// `quiet` shows nothing but what say() is given.
  explicit Progress(bool quiet = false);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const std::string& line);
  /// A line that stays, as printable() has it.
  void say(const std::string& line);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool quiet_, terminal_;
  bool shown_ = false;
  Clock::time_point last_ = Clock::now();
};

/// A message on one line that does nothing to a terminal, whatever names of files are in it: control
/// characters and such as turn the direction of writing become \n, \x1b or \u202e, bytes that are not UTF-8
/// \xff. Of one of more than 2,000 bytes the middle is left out, and said.
std::string printable(std::string_view message);

/// "1,234,567"
std::string with_commas(std::int64_t number);

/// "45 s", "3 min 20 s", "2 h 5 min"
std::string duration(double seconds);

/// "97.25 %"
std::string percent(double fraction);

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace tapeline
