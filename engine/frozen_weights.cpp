#include "engine/frozen_weights.h"

#include <cmath>
#include <vector>

#include "engine/tensor.h"

namespace tapeline {

namespace {

/// `fallback` in every channel where there is no view.
std::vector<float> values_of(const View& view, std::size_t channels, float fallback) {
  return view ? Tensor(view).to_vector<float>() : std::vector<float>(channels, fallback);
}

}  // namespace

FrozenWeights::Folded FrozenWeights::fold(const View& weight, const View& bias,
                                          const BatchNormInference& norm) {
  Folded& folded = folded_[{weight.storage, norm.running_mean.storage}];
  if (folded.weight) return folded;

  const auto channels = static_cast<std::size_t>(weight.shape[-1]);
  const std::vector<float> scale = values_of(norm.scale, channels, 1),
                           offset = values_of(norm.offset, channels, 0),
                           mean = values_of(norm.running_mean, channels, 0),
                           variance = values_of(norm.running_variance, channels, 1),
                           old_bias = values_of(bias, channels, 0);
  std::vector<double> factor(channels);
  std::vector<float> new_bias(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    factor[c] = scale[c] / std::sqrt(double{variance[c]} + double{norm.epsilon});
    new_bias[c] = static_cast<float>((double{old_bias[c]} - double{mean[c]}) * factor[c] + double{offset[c]});
  }
  std::vector<float> values = Tensor(weight).to_vector<float>();
  for (std::size_t row = 0; row < values.size(); row += channels)
    for (std::size_t c = 0; c < channels; ++c)
      values[row + c] = static_cast<float>(double{values[row + c]} * factor[c]);

  const Device& device = weight.storage->backend;
  folded.weight = Tensor::from(device, weight.shape, values).view();
  folded.bias = Tensor::from(device, {weight.shape[-1]}, new_bias).view();
  return folded;
}

}  // namespace tapeline
