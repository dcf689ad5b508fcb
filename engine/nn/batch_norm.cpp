#include "engine/nn/batch_norm.h"

#include <vector>

namespace tapeline {

BatchNorm::BatchNorm(const Device& device, const Spec& spec) : options(spec.options) {
  if (spec.channels < 1) throw Error("batch norm layer: {} channels: there must be some", spec.channels);
  const auto filled = [&](float value) {
    return Tensor::from(device, {spec.channels},
                        std::vector<float>(static_cast<std::size_t>(spec.channels), value));
  };
  if (spec.scale) scale = filled(1).set_requires_grad();
  if (spec.offset) offset = filled(0).set_requires_grad();
  running_mean = filled(0);
  running_variance = filled(1);
}

Tensor BatchNorm::forward(const Tensor& x, bool training, const Tensor& widths) const {
  const auto normalise = training ? batch_norm_training : batch_norm_inference;
  return normalise(x, scale, offset, running_mean, running_variance, options, widths);
}

void BatchNorm::collect(const std::string& prefix, State& state) const {
  if (scale) state.parameters.push_back({join(prefix, "scale"), scale});
  if (offset) state.parameters.push_back({join(prefix, "offset"), offset});
  state.buffers.push_back({join(prefix, "running_mean"), running_mean});
  state.buffers.push_back({join(prefix, "running_variance"), running_variance});
}

}  // namespace tapeline
