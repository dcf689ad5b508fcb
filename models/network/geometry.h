#pragma once

// What a network's text says about sizes, without any tensor: extents after each layer, parameters,
// multiply-adds, and how the own width of an image shrinks on its way to frames.

#include <cstdint>
#include <string>
#include <vector>

#include "models/network/vgsl.h"

namespace tapeline {

/// A feature map, or a sequence of `width` frames (height 1).
struct Extent {
  int height = 0, width = 0, channels = 0;
  bool sequence = false;
};

/// How a layer changes widths. Stage 0 is the image; the widths of stage k follow from those of stage `from`.
struct WidthStage {
  int from = 0;
  int window = 1, stride = 1, dilation = 1;
  bool valid = false;

  /// SAME: ceil(width / stride). VALID: the places where the window fits, none where it does not.
  int apply(int width) const;
};

/// A layer of the text, groups opened, in order.
struct LayerGeometry {
  const LayerSpec* spec = nullptr;
  Extent in, out;
  int stage_in = 0, stage_out = 0;  // indices into NetworkGeometry::stages
  std::int64_t parameters = 0;
  std::int64_t multiply_adds = 0;  // for one image
};

struct NetworkGeometry {
  std::vector<LayerGeometry> layers;  // parallel ones after each other; the group itself follows its members
  std::vector<WidthStage> stages;
  int width_multiple = 1;  // images of any width are padded to a multiple of it
  int final_stage = 0;

  std::int64_t parameters() const;
  std::int64_t multiply_adds() const;
  /// Frames of an image whose own width, in pixels of the network's input, is this.
  int frames(int width) const;
  /// Own widths at every stage, the images' own at stage 0.
  std::vector<std::vector<std::int32_t>> widths(const std::vector<std::int32_t>& images) const;
};

/// `width` in pixels (the text's own where that is not 0), `classes` including the blank. Throws, naming the
/// layer, where a layer cannot follow the one before it, a window does not fit, or the network exceeds 2^31
/// parameters. `spec` must outlive the result.
NetworkGeometry trace(const NetworkSpec& spec, int width, int classes);

/// At the text's own width, or, where it takes any, at the smallest power of two that gives a frame.
NetworkGeometry smallest_trace(const NetworkSpec& spec, int classes);

}  // namespace tapeline
