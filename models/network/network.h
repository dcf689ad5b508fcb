#pragma once

// A network built from its text: images in, logits of every frame out.

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/nn/parameter.h"
#include "engine/random.h"
#include "models/network/geometry.h"
#include "models/network/vgsl.h"

namespace tapeline {

/// What a pass through a network needs besides the images.
struct Pass {
  bool training = false;       // batch statistics and dropout, or running statistics and none
  std::vector<Tensor> widths;  // i32 [N] for each stage of the geometry; none where all images fill the input
  Tensor dropout;              // i32 [3], see dropout_state(); training only
  /// Where given, is told each layer's text and what it made, in order; while a program is recorded, only
  /// where that will lie. Whoever holds it then keeps it from being joined with the layer behind it.
  std::function<void(const std::string&, const Tensor&)> watch;

  /// Own widths (frames, after the last layer) at a stage; undefined where there are none.
  Tensor at(int stage) const { return widths.empty() ? Tensor() : widths[static_cast<std::size_t>(stage)]; }
};

class Network {
 public:
  /// Draws the initial weights from `random`. `classes` includes the blank. Throws as trace() does.
  Network(NetworkSpec spec, int classes, const Device& device, Random& random);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// images [N, H, W, C] to logits [N, T, classes]. Columns right of an image's own width must be zero.
  Tensor forward(const Tensor& images, const Pass& pass) const;

  const NetworkSpec& spec() const { return spec_; }
  /// For the width in the text, or, where it takes any, for a narrow image.
  const NetworkGeometry& geometry() const { return geometry_; }
  int classes() const { return classes_; }
  const Device& device() const { return device_; }
  const State& state() const { return state_; }
  bool any_width() const { return spec_.width == 0; }

 private:
  using Forward = std::function<Tensor(const Tensor&, const Pass&)>;
  Forward build_series(const std::vector<LayerSpec>& layers, Random& random);
  Forward build(const LayerSpec& layer, bool normalised, const Activation& fused, Random& random);
  Forward convolution(const LayerGeometry& g, bool normalised, const Activation& fused, Random& random);
  Forward max_pool(const LayerGeometry& g);
  Forward batch_norm(const LayerGeometry& g, const Activation& fused);
  Forward lstm(const LayerGeometry& g, Random& random);
  Forward output(const LayerGeometry& g, Random& random);
  std::string name(const char* kind);

  NetworkSpec spec_;
  int classes_;
  Device device_;
  NetworkGeometry geometry_;
  State state_;
  std::size_t next_layer_ = 0;  // of geometry_.layers, while building
  std::vector<std::pair<std::string, int>> counts_;
  std::uint32_t dropouts_ = 0;
  Forward forward_;
};

}  // namespace tapeline
