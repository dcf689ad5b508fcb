#include "apps/stop_signal.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

namespace tapeline {

namespace {

std::atomic<bool> stop_requested;
std::atomic<std::int64_t> requested_at;  // milliseconds
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free,
              "signal handlers may touch nothing else");

/// timeout(1) and some shells send one signal twice, to the process and to its group.
constexpr std::int64_t kSameMilliseconds = 500;

struct sigaction before_interrupt, before_terminate;

std::int64_t milliseconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void on_signal(int) {
  if (stop_requested.exchange(true)) {
    if (milliseconds() - requested_at > kSameMilliseconds) ::_exit(kInterrupted);
    return;
  }
  requested_at = milliseconds();
  constexpr std::string_view kWords = "\ntapeline: stopping; once more ends it at once\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kWords.data(), kWords.size());
}

}  // namespace

StopSignal::StopSignal() {
  stop_requested = false;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &before_interrupt);
  ::sigaction(SIGTERM, &action, &before_terminate);
}

StopSignal::~StopSignal() {
  ::sigaction(SIGINT, &before_interrupt, nullptr);
  ::sigaction(SIGTERM, &before_terminate, nullptr);
}

const std::atomic<bool>& StopSignal::requested() const { return stop_requested; }

}  // namespace tapeline
