#include "models/network/network.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/nn/batch_norm.h"
#include "engine/nn/conv2d.h"
#include "engine/nn/dropout.h"
#include "engine/nn/linear.h"
#include "engine/nn/lstm.h"
#include "engine/ops/activation.h"
#include "engine/ops/columns_to_sequence.h"
#include "engine/ops/concatenate.h"
#include "engine/ops/mask_columns.h"
#include "engine/ops/max_pool2d.h"

namespace tapeline {

namespace {

using Kind = LayerSpec::Kind;

Padding padding_of(const LayerSpec& layer) { return layer.valid ? Padding::valid() : Padding::same(); }

/// What a layer left right of an image's own width must not reach it through the next one.
Tensor masked(const Tensor& x, const Tensor& widths) { return widths ? mask_columns(x, widths) : x; }

}  // namespace

Network::Network(NetworkSpec spec, int classes, const Device& device, Random& random)
    : spec_(std::move(spec)), classes_(classes), device_(device), geometry_(smallest_trace(spec_, classes)) {
  forward_ = build_series(spec_.layers, random);
}

Tensor Network::forward(const Tensor& images, const Pass& pass) const {
  const Shape& shape = images.shape();
  if (shape.rank() != 4 || shape[1] != spec_.height || (spec_.width && shape[2] != spec_.width) ||
      shape[3] != spec_.channels)
    throw Error("network: images {} do not fit the input [N, {}, {}, {}]", shape.text(), spec_.height,
                spec_.width ? std::to_string(spec_.width) : "any", spec_.channels);
  return forward_(images, pass);
}

std::string Network::name(const char* kind) {
  auto entry = std::find_if(counts_.begin(), counts_.end(), [&](const auto& c) { return c.first == kind; });
  if (entry == counts_.end()) entry = counts_.insert(entry, {kind, 0});
  return fmt::format("{}{}", kind, ++entry->second);
}

Network::Forward Network::build_series(const std::vector<LayerSpec>& layers, Random& random) {
  std::vector<std::pair<std::string, Forward>> steps;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto next_is = [&](Kind kind) { return i + 1 < layers.size() && layers[i + 1].kind == kind; };
    // An activation right behind a convolution or a batch norm is done in the same pass over memory.
    const bool fuse =
        next_is(Kind::activation) && (layers[i].kind == Kind::batch_norm ||
                                      (layers[i].kind == Kind::convolution && !layers[i].activation));
    const Activation fused = fuse ? layers[i + 1].activation : Activation{};
    const std::string text = layers[i].text + (fuse ? " " + layers[i + 1].text : "");
    steps.emplace_back(text, build(layers[i], next_is(Kind::batch_norm), fused, random));
    if (fuse) ++i, ++next_layer_;
  }
  return [steps = std::move(steps)](Tensor x, const Pass& pass) {
    for (const auto& [text, step] : steps) {
      x = step(x, pass);
      if (pass.watch) pass.watch(text, x);
    }
    return x;
  };
}

Network::Forward Network::build(const LayerSpec& layer, bool normalised, const Activation& fused,
                                Random& random) {
  if (layer.kind == Kind::series) {
    Forward inner = build_series(layer.children, random);
    ++next_layer_;
    return inner;
  }
  if (layer.kind == Kind::parallel) {
    std::vector<Forward> branches;
    for (const LayerSpec& child : layer.children) branches.push_back(build(child, false, {}, random));
    ++next_layer_;
    return [branches = std::move(branches)](const Tensor& x, const Pass& pass) {
      std::vector<Tensor> results;
      for (const Forward& branch : branches) results.push_back(branch(x, pass));
      return concatenate(results, -1);
    };
  }
  const LayerGeometry& g = geometry_.layers.at(next_layer_++);
  switch (layer.kind) {
    case Kind::convolution:
      return convolution(g, normalised, fused, random);
    case Kind::max_pool:
      return max_pool(g);
    case Kind::batch_norm:
      return batch_norm(g, fused);
    case Kind::lstm:
      return lstm(g, random);
    case Kind::output:
      return output(g, random);
    case Kind::columns:
      return [](const Tensor& x, const Pass&) { return columns_to_sequence(x); };
    case Kind::dropout:
      return [layer = DropoutLayer{layer.rate, dropouts_++}](const Tensor& x, const Pass& pass) {
        return layer.forward(x, pass.dropout, pass.training);
      };
    case Kind::activation:
      return [activation = layer.activation, stage = g.stage_out, g](const Tensor& x, const Pass& pass) {
        const Tensor y = tapeline::activation(x, activation);
        const bool zero_stays = activation.kind != ActivationKind::sigmoid;
        return zero_stays || g.out.sequence ? y : masked(y, pass.at(stage));
      };
    default:
      return [](const Tensor& x, const Pass&) { return x; };
  }
}

Network::Forward Network::convolution(const LayerGeometry& g, bool normalised, const Activation& fused,
                                      Random& random) {
  const LayerSpec& layer = *g.spec;
  Conv2d::Spec spec;
  spec.in = g.in.channels;
  spec.out = layer.depth;
  spec.height = layer.height;
  spec.width = layer.width;
  spec.bias = !normalised;  // the batch norm has an offset
  spec.weights = Init::he_normal();
  spec.options = {layer.stride_h,
                  layer.stride_w,
                  layer.dilation_h,
                  layer.dilation_w,
                  1,
                  padding_of(layer),
                  fused ? fused : layer.activation};
  const Conv2d conv(device_, random, spec);
  conv.collect(name("conv"), state_);
  return [conv, normalised, stage = g.stage_out](const Tensor& x, const Pass& pass) {
    const Tensor y = conv.forward(x);
    return normalised ? y : masked(y, pass.at(stage));  // the batch norm masks
  };
}

Network::Forward Network::max_pool(const LayerGeometry& g) {
  const LayerSpec& layer = *g.spec;
  const MaxPool2dOptions options{layer.height, layer.width, layer.stride_h, layer.stride_w,
                                 padding_of(layer)};
  const bool overlaps = layer.valid || layer.width > layer.stride_w;
  return [options, overlaps, in = g.stage_in, out = g.stage_out](const Tensor& x, const Pass& pass) {
    const Tensor y = max_pool2d(x, options, pass.at(in));
    return overlaps ? masked(y, pass.at(out)) : y;
  };
}

Network::Forward Network::batch_norm(const LayerGeometry& g, const Activation& fused) {
  BatchNorm::Spec spec;
  spec.channels = g.in.channels;
  spec.scale = spec.offset = !g.spec->plain;
  spec.options.momentum = 0.9f;
  spec.options.epsilon = 1e-5f;
  spec.options.activation = fused;
  const BatchNorm norm(device_, spec);
  norm.collect(name("norm"), state_);
  return [norm, stage = g.stage_in](const Tensor& x, const Pass& pass) {
    return norm.forward(x, pass.training, pass.at(stage));
  };
}

Network::Forward Network::lstm(const LayerGeometry& g, Random& random) {
  const LayerSpec& layer = *g.spec;
  Lstm::Spec spec;
  spec.in = g.in.channels;
  spec.hidden = layer.depth;
  spec.options.directions = layer.forward && layer.reverse ? 2 : 1;
  spec.options.reverse = !layer.forward;
  spec.options.merge = layer.sum ? LstmMerge::sum : LstmMerge::concatenate;
  const Lstm lstm(device_, random, spec);
  lstm.collect(name("lstm"), state_);
  return [lstm, stage = g.stage_in](const Tensor& x, const Pass& pass) {
    return lstm.forward(x.shape().rank() == 4 ? columns_to_sequence(x) : x, pass.at(stage));
  };
}

Network::Forward Network::output(const LayerGeometry& g, Random& random) {
  Linear::Spec spec;
  spec.in = g.in.channels;
  spec.out = classes_;
  const Linear linear(device_, random, spec);
  if (g.spec->zero_inputs) {
    std::vector<float> weight = linear.weight.to_vector<float>();
    std::fill_n(weight.begin(), static_cast<std::ptrdiff_t>(g.spec->zero_inputs) * classes_, 0.0f);
    linear.weight.upload(weight);
  }
  linear.collect("output", state_);
  return [linear](const Tensor& x, const Pass&) {
    return linear.forward(x.shape().rank() == 4 ? columns_to_sequence(x) : x);
  };
}

}  // namespace tapeline
