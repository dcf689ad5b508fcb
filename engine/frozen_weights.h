#pragma once

// The weights of a network that is not trained any more, as its programs for inference see them. What is made
// of a weight (batch norm folded into it; whatever the device packs it into) is made once, for all programs
// that share these.

#include <map>
#include <memory>
#include <tuple>

#include "engine/kernels/batch_norm.h"
#include "engine/storage.h"

namespace tapeline {

class FrozenWeights {
 public:
  /// The same memory as a constant: its values must stay as they are as long as anybody holds the result.
  View freeze(const View& weight);

  struct Folded {
    View weight;  // [..., C]
    View bias;    // [C]
  };
  /// The weight and bias with which a product, or a convolution, gives what `norm` makes of its result with
  /// these. f32; `weight` is [..., C], `bias` [C] or absent. With d = scale / sqrt(variance + epsilon):
  /// weight d and (bias - mean) d + offset, in double, rounded once.
  Folded fold(const View& weight, const View& bias, const BatchNormInference& norm);

 private:
  // The storages that something was made of are held, so that their addresses stay theirs.
  std::map<std::shared_ptr<Storage>, std::shared_ptr<Storage>> frozen_;
  std::map<std::tuple<std::shared_ptr<Storage>, std::shared_ptr<Storage>>, Folded> folded_;
};

}  // namespace tapeline
