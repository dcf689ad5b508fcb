#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tapeline {

/// Which way of computing a kernel was found fastest for operands of a size.
struct TunedKernel {
  struct Way {
    std::string name;
    double milliseconds = 0;
  };
  std::string kernel, size;  // "product", "inner <= 512, outputs <= 32"
  std::string chosen;
  std::vector<Way> ways;  // all that were measured
};

/// A Backend that has several ways to compute a kernel is one of these too.
class Tunes {
 public:
  virtual ~Tunes() = default;
  /// Measures all ways on this device, for some seconds, and keeps the choice for every device that is opened
  /// from then on. What was opened before goes on as it was. Throws Error where the choice cannot be kept.
  virtual std::vector<TunedKernel> tune() = 0;
};

}  // namespace tapeline
