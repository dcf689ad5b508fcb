#pragma once

#include <cstdint>

namespace tapeline {

/// What a device counts of its own work since it was opened, for people.
struct DeviceCounters {
  std::int64_t submissions = 0;  // times that work was handed to the device
  std::int64_t waits = 0;        // times that the host waited for it
  std::int64_t built = 0;        // kernels compiled, or read from a cache of compiled ones
};

/// A Backend that counts is one of these too.
class CountsWork {
 public:
  virtual ~CountsWork() = default;
  virtual DeviceCounters counters() const = 0;
};

/// Zeros of a backend that does not count.
template <typename Backend>
DeviceCounters counters_of(const Backend& backend) {
  const auto* counting = dynamic_cast<const CountsWork*>(&backend);
  return counting ? counting->counters() : DeviceCounters{};
}

}  // namespace tapeline
