#pragma once

#include <string>
#include <vector>

#include "engine/tensor.h"

namespace tapeline {

struct NamedTensor {
  std::string name;  // "conv1.weight"
  Tensor tensor;
};

/// All that a network remembers, in the order of its layers. Every layer has collect(prefix, state), which
/// adds its own.
struct State {
  std::vector<NamedTensor> parameters;  // trained
  std::vector<NamedTensor> buffers;     // saved but not trained: running statistics
};

/// "prefix.name", or "name" where the prefix is empty.
inline std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

}  // namespace tapeline
