#include "engine/nn/lstm.h"

#include <algorithm>
#include <vector>

namespace tapeline {

namespace {

constexpr int kGates = 4, kForgetGate = 1;

/// Copies `block`, [rows, columns], to column `at` of `matrix`, whose rows are `stride` long.
void paste(const std::vector<float>& block, std::size_t columns, float* matrix, std::size_t stride,
           std::size_t at) {
  for (std::size_t r = 0; r * columns < block.size(); ++r)
    std::copy_n(block.begin() + static_cast<std::ptrdiff_t>(r * columns), columns, matrix + r * stride + at);
}

}  // namespace

Lstm::Lstm(const Device& device, Random& random, const Spec& spec) : options(spec.options) {
  if (spec.in < 1 || spec.hidden < 1)
    throw Error("lstm layer: {} -> {} features: both must be positive", spec.in, spec.hidden);
  if (options.directions != 1 && options.directions != 2)
    throw Error("lstm layer: {} directions: there can be 1 or 2", options.directions);

  const std::int64_t width = std::int64_t{kGates} * spec.hidden, all_gates = options.directions * width;
  const Shape input_shape{spec.in, all_gates}, recurrent_shape{options.directions, spec.hidden, width},
      bias_shape{all_gates};
  if (!init_enabled()) {
    const auto empty = [&](const Shape& shape) { return Tensor::empty(device, shape).set_requires_grad(); };
    w_ih = empty(input_shape), w_hh = empty(recurrent_shape), bias = empty(bias_shape);
    return;
  }
  const auto in = static_cast<std::size_t>(spec.in), hidden = static_cast<std::size_t>(spec.hidden);
  const auto directions = static_cast<std::size_t>(options.directions);
  const std::size_t gates = kGates * hidden, all = directions * gates;
  std::vector<float> input(in * all), recurrent(directions * hidden * gates), biases(all, 0);
  for (std::size_t d = 0; d < directions; ++d) {
    for (std::size_t g = 0; g < kGates; ++g) {
      paste(Init::glorot_uniform().values({spec.in, spec.hidden}, random), hidden, input.data(), all,
            d * gates + g * hidden);
      paste(Init::orthogonal().values({spec.hidden, spec.hidden}, random), hidden,
            recurrent.data() + d * hidden * gates, gates, g * hidden);
    }
    std::fill_n(biases.data() + d * gates + kForgetGate * hidden, hidden, spec.forget_bias);
  }

  const auto leaf = [&](const Shape& shape, const std::vector<float>& values) {
    return Tensor::from(device, shape, values).set_requires_grad();
  };
  w_ih = leaf(input_shape, input);
  w_hh = leaf(recurrent_shape, recurrent);
  bias = leaf(bias_shape, biases);
}

int Lstm::output_features() const {
  const int hidden = static_cast<int>(w_hh.extent(1));
  return options.merge == LstmMerge::concatenate ? options.directions * hidden : hidden;
}

void Lstm::collect(const std::string& prefix, State& state) const {
  state.parameters.push_back({join(prefix, "w_ih"), w_ih});
  state.parameters.push_back({join(prefix, "w_hh"), w_hh});
  state.parameters.push_back({join(prefix, "bias"), bias});
}

}  // namespace tapeline
