#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/nn/parameter.h"

namespace tapeline {

/// The values of some tensors at one moment, kept in the host's memory, to go back to.
class Snapshot {
 public:
  Snapshot() = default;
  explicit Snapshot(std::vector<NamedTensor> tensors);
  void restore() const;

 private:
  std::vector<NamedTensor> tensors_;
  std::vector<std::vector<std::byte>> values_;
};

/// Whether no value is infinite or not a number.
bool all_finite(const Tensor& tensor);

/// The name of the first tensor with a value that is not finite; "" where there is none.
std::string first_not_finite(const std::vector<NamedTensor>& tensors);

}  // namespace tapeline
