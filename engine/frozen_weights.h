#pragma once

// The weights of a network that is not trained any more, as its programs for inference see them: batch norm
// is folded into them, once for all programs that share these.

#include <map>
#include <memory>
#include <tuple>

#include "engine/kernels/batch_norm.h"
#include "engine/storage.h"

namespace tapeline {

class FrozenWeights {
 public:
  struct Folded {
    View weight;  // [..., C]
    View bias;    // [C]
  };
  /// The weight and bias with which a product, or a convolution, gives what `norm` makes of its result with
  /// these. f32; `weight` is [..., C], `bias` [C] or absent. With d = scale / sqrt(variance + epsilon):
  /// weight d and (bias - mean) d + offset, in double, rounded once.
  Folded fold(const View& weight, const View& bias, const BatchNormInference& norm);

 private:
  // By weight and running mean. Holding these storages, it keeps their addresses theirs.
  std::map<std::tuple<std::shared_ptr<Storage>, std::shared_ptr<Storage>>, Folded> folded_;
};

}  // namespace tapeline
