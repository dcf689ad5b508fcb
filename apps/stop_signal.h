#pragma once

#include <atomic>

namespace tapeline {

/// While it lives, the first Ctrl-C or SIGTERM only sets a flag, so that the work can end where nothing is
/// lost; the second one, more than half a second later, ends the process at once. One at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  const std::atomic<bool>& requested() const;
};

/// What a command that was stopped in this way returns.
inline constexpr int kInterrupted = 130;

}  // namespace tapeline
