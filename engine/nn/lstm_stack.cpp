#include "engine/nn/lstm_stack.h"

namespace tapeline {

LstmStack::LstmStack(const Device& device, Random& random, const Spec& spec)
    : dropout(spec.dropout), first_stream(spec.first_stream) {
  if (spec.layers < 1) throw Error("lstm stack: {} layers: there must be at least one", spec.layers);
  int features = spec.in;
  for (int i = 0; i < spec.layers; ++i) {
    layers.emplace_back(device, random, Lstm::Spec{features, spec.hidden, spec.options, spec.forget_bias});
    features = layers.back().output_features();
  }
}

Tensor LstmStack::forward(const Tensor& x, bool training, const Tensor& state, const Tensor& frames) const {
  Tensor y = layers.front().forward(x, frames);
  for (std::uint32_t i = 1; i < layers.size(); ++i) {
    y = DropoutLayer{dropout, first_stream + i - 1}.forward(y, state, training);
    y = layers[i].forward(y, frames);
  }
  return y;
}

void LstmStack::collect(const std::string& prefix, State& state) const {
  for (std::size_t i = 0; i < layers.size(); ++i)
    layers[i].collect(join(prefix, fmt::format("{}", i)), state);
}

}  // namespace tapeline
