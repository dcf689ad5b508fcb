#include "models/network/geometry.h"

#include <algorithm>

#include "engine/error.h"

namespace tapeline {

namespace {

constexpr std::int64_t kMostParameters = std::int64_t{1} << 31;
constexpr std::int64_t kMostWork = std::int64_t{1} << 50;

class Tracer {
 public:
  Tracer(const NetworkSpec& spec, int classes) : spec_(spec), classes_(classes) {
    result_.stages.emplace_back();
  }

  NetworkGeometry run(int width) {
    Extent extent{spec_.height, spec_.width ? spec_.width : width, spec_.channels, false};
    int stage = 0;
    series(spec_.layers, extent, stage);
    result_.final_stage = stage;
    return std::move(result_);
  }

 private:
  using Kind = LayerSpec::Kind;

  template <typename... Args>
  [[noreturn]] void fail(const LayerSpec& layer, fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("network \"{}\": layer {}: {}", spec_.text, layer.text,
                fmt::format(format, std::forward<Args>(args)...));
  }

  void series(const std::vector<LayerSpec>& layers, Extent& extent, int& stage) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const bool normalised = i + 1 < layers.size() && layers[i + 1].kind == Kind::batch_norm;
      one(layers[i], extent, stage, normalised);
    }
  }

  void one(const LayerSpec& layer, Extent& extent, int& stage, bool normalised) {
    LayerGeometry g;
    g.spec = &layer;
    g.in = extent;
    g.stage_in = stage;
    switch (layer.kind) {
      case Kind::convolution:
        g.parameters = std::int64_t{layer.height} * layer.width * extent.channels * layer.depth +
                       (normalised ? 0 : layer.depth);
        slide(layer, extent, stage);
        g.multiply_adds = std::int64_t{extent.height} * extent.width * layer.height * layer.width *
                          extent.channels * layer.depth;
        extent.channels = layer.depth;
        break;
      case Kind::max_pool:
        slide(layer, extent, stage);
        break;
      case Kind::batch_norm:
        if (extent.sequence)
          fail(layer, "batch normalisation works on feature maps; put it before S1(1x0)1,3");
        g.parameters = layer.plain ? 0 : 2 * extent.channels;
        break;
      case Kind::columns:
        if (extent.sequence) fail(layer, "the columns are time steps already");
        extent = {1, extent.width, bounded(layer, std::int64_t{extent.height} * extent.channels), true};
        break;
      case Kind::lstm: {
        to_sequence(layer, extent);
        const std::int64_t directions = layer.forward && layer.reverse ? 2 : 1;
        const std::int64_t a_step =
            directions * 4 * layer.depth * (extent.channels + std::int64_t{layer.depth});
        g.parameters = a_step + directions * 4 * layer.depth;
        g.multiply_adds = bounded_work(a_step, extent.width);
        extent.channels = bounded(layer, layer.depth * (layer.sum ? 1 : directions));
        break;
      }
      case Kind::output:
        to_sequence(layer, extent);
        if (layer.depth && layer.depth != classes_)
          fail(layer, "{} classes do not fit the charset, which needs {}; leave the number out", layer.depth,
               classes_);
        if (layer.zero_inputs > extent.channels)
          fail(layer, "{} features are to start at zero, but only {} arrive", layer.zero_inputs,
               extent.channels);
        g.parameters = (std::int64_t{extent.channels} + 1) * classes_;
        g.multiply_adds = std::int64_t{extent.width} * extent.channels * classes_;
        extent.channels = classes_;
        break;
      case Kind::parallel:
        parallel(layer, extent, stage);
        break;
      case Kind::series:
        series(layer.children, extent, stage);
        break;
      case Kind::activation:
      case Kind::dropout:
      case Kind::identity:
        break;
    }
    if ((parameters_ += g.parameters) > kMostParameters)
      fail(layer, "more than 2^31 parameters by here; at most that many are possible");
    if (g.multiply_adds > kMostWork) fail(layer, "more than 2^50 multiply-adds for one image are too many");
    g.out = extent;
    g.stage_out = stage;
    result_.layers.push_back(g);
  }

  void parallel(const LayerSpec& layer, Extent& extent, int& stage) {
    const Extent in = extent;
    const int stage_in = stage;
    std::int64_t channels = 0;
    for (std::size_t i = 0; i < layer.children.size(); ++i) {
      Extent branch = in;
      int branch_stage = stage_in;
      one(layer.children[i], branch, branch_stage, false);
      if (i > 0 && (branch.height != extent.height || branch.width != extent.width ||
                    branch.sequence != extent.sequence))
        fail(layer, "its branches end with {}x{} and {}x{}; they must agree to be put side by side",
             extent.height, extent.width, branch.height, branch.width);
      extent = branch;
      stage = branch_stage;
      channels += branch.channels;
    }
    extent.channels = bounded(layer, channels);
  }

  static std::int64_t bounded_work(std::int64_t each, std::int64_t times) {
    return each > kMostWork / times ? kMostWork + 1 : each * times;
  }

  int bounded(const LayerSpec& layer, std::int64_t channels) const {
    if (channels > (1 << 24)) fail(layer, "{} channels are too many, at most 2^24 are possible", channels);
    return static_cast<int>(channels);
  }

  void to_sequence(const LayerSpec& layer, Extent& extent) const {
    if (extent.height != 1)
      fail(layer, "what arrives is {} rows high; fold the height into the channels with S1(1x0)1,3 first",
           extent.height);
    extent.sequence = true;
  }

  void slide(const LayerSpec& layer, Extent& extent, int& stage) {
    if (extent.sequence) fail(layer, "it needs a feature map; put it before S1(1x0)1,3");
    const WidthStage vertical{0, layer.height, layer.stride_h, layer.dilation_h, layer.valid};
    const WidthStage horizontal{stage, layer.width, layer.stride_w, layer.dilation_w, layer.valid};
    const int height = vertical.apply(extent.height), width = horizontal.apply(extent.width);
    if (height < 1 || width < 1)
      fail(layer, "a window of {}x{} does not fit on {}x{}", layer.height, layer.width, extent.height,
           extent.width);
    extent.height = height;
    extent.width = width;
    if (layer.stride_w == 1 && (!layer.valid || layer.width == 1)) return;
    // SAME padding of a strided layer depends on the width, so widths must be whole strides up to it; a VALID
    // layer before it would break that.
    if (spec_.width == 0 && !layer.valid && shifted_)
      fail(layer,
           "in a network for any width, no SAME layer with a horizontal stride may follow a VALID one");
    shifted_ |= layer.valid && layer.width > 1;
    if (!layer.valid) result_.width_multiple *= layer.stride_w;
    if (result_.width_multiple > 65536) fail(layer, "the horizontal strides multiply to more than 65536");
    stage = static_cast<int>(result_.stages.size());
    result_.stages.push_back(horizontal);
  }

  const NetworkSpec& spec_;
  int classes_;
  bool shifted_ = false;
  std::int64_t parameters_ = 0;
  NetworkGeometry result_;
};

}  // namespace

int WidthStage::apply(int width) const {
  if (!valid) return (width + stride - 1) / stride;
  const int span = (window - 1) * dilation + 1;
  return width < span ? 0 : (width - span) / stride + 1;
}

std::int64_t NetworkGeometry::parameters() const {
  std::int64_t sum = 0;
  for (const LayerGeometry& layer : layers) sum += layer.parameters;
  return sum;
}

std::int64_t NetworkGeometry::multiply_adds() const {
  std::int64_t sum = 0;
  for (const LayerGeometry& layer : layers) sum += layer.multiply_adds;
  return sum;
}

int NetworkGeometry::frames(int width) const {
  return widths({width})[static_cast<std::size_t>(final_stage)][0];
}

std::vector<std::vector<std::int32_t>> NetworkGeometry::widths(
    const std::vector<std::int32_t>& images) const {
  std::vector<std::vector<std::int32_t>> result{images};
  for (std::size_t stage = 1; stage < stages.size(); ++stage) {
    result.push_back(result[static_cast<std::size_t>(stages[stage].from)]);
    for (std::int32_t& width : result.back()) width = stages[stage].apply(width);
  }
  return result;
}

NetworkGeometry trace(const NetworkSpec& spec, int width, int classes) {
  return Tracer(spec, classes).run(width);
}

NetworkGeometry smallest_trace(const NetworkSpec& spec, int classes) {
  constexpr int kMostWidth = 1 << 16;
  for (int width = 1; spec.width == 0 && width < kMostWidth; width *= 2) {
    try {
      return trace(spec, width, classes);
    } catch (const Error&) {
      // A window may not fit yet; if that is not the reason, the last attempt says what is.
    }
  }
  return trace(spec, spec.width ? spec.width : kMostWidth, classes);
}

}  // namespace tapeline
