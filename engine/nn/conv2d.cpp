#include "engine/nn/conv2d.h"

namespace tapeline {

Conv2d::Conv2d(const Device& device, Random& random, const Spec& spec) : options(spec.options) {
  const int groups = spec.options.groups;
  if (spec.in < 1 || spec.out < 1 || spec.height < 1 || spec.width < 1)
    throw Error("conv2d layer: {} -> {} channels, window {}x{}: each must be positive", spec.in, spec.out,
                spec.height, spec.width);
  if (groups < 1 || spec.in % groups != 0 || spec.out % groups != 0)
    throw Error("conv2d layer: {} groups do not divide {} -> {} channels", groups, spec.in, spec.out);
  weight =
      make_parameter(device, {spec.height, spec.width, spec.in / groups, spec.out}, spec.weights, random);
  if (spec.bias) bias = make_parameter(device, {spec.out}, Init::constant(0), random);
}

void Conv2d::collect(const std::string& prefix, State& state) const {
  state.parameters.push_back({join(prefix, "weight"), weight});
  if (bias) state.parameters.push_back({join(prefix, "bias"), bias});
}

}  // namespace tapeline
