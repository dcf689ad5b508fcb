#include "engine/nn/linear.h"

namespace tapeline {

Linear::Linear(const Device& device, Random& random, const Spec& spec) : activation(spec.activation) {
  if (spec.in < 1 || spec.out < 1)
    throw Error("linear layer: {} -> {} features: both must be positive", spec.in, spec.out);
  weight = make_parameter(device, {spec.in, spec.out}, spec.weights, random);
  if (spec.bias) bias = make_parameter(device, {spec.out}, Init::constant(0), random);
}

void Linear::collect(const std::string& prefix, State& state) const {
  state.parameters.push_back({join(prefix, "weight"), weight});
  if (bias) state.parameters.push_back({join(prefix, "bias"), bias});
}

}  // namespace tapeline
