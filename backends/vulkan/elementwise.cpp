#include "backends/vulkan/axes.h"
#include "backends/vulkan/kernels.h"
#include "shaders/elementwise_binary.spv.h"
#include "shaders/elementwise_unary.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kBinary{"elementwise_binary", elementwise_binary_spv};
constexpr Shader kUnary{"elementwise_unary", elementwise_unary_spv};

struct BinaryPush {
  std::uint32_t count;
  std::array<std::uint32_t, Shape::kMaxRank> extents;
  std::array<std::int32_t, Shape::kMaxRank> a_strides, b_strides;
};

struct UnaryPush {
  std::uint32_t count;
  float scale, offset;
};

/// Elements from one index of the axis to the next, where `of` is broadcast to `to`; 0 where it is repeated.
std::array<std::int64_t, Shape::kMaxRank> strides_of(const Shape& of, const Shape& to) {
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  std::int64_t stride = 1;
  for (int i = 1; i <= of.rank(); ++i) {
    if (of[-i] != 1) strides[static_cast<std::size_t>(to.rank() - i)] = stride;
    stride *= of[-i];
  }
  return strides;
}

}  // namespace

void plan(const Binary& k, Plan& plan) {
  require_f32(k.output);
  const Shape& shape = k.output.shape;
  const auto a = strides_of(k.a.shape, shape), b = strides_of(k.b.shape, shape);
  Axes<2> axes;
  for (int i = 0; i < shape.rank(); ++i)
    axes.add(shape[i], {a[static_cast<std::size_t>(i)], b[static_cast<std::size_t>(i)]});
  plan.dispatch(kBinary, {in(k.a), in(k.b), out(k.output)},
                BinaryPush{count_of(k.output), axes.extents, axes.strides[0], axes.strides[1]},
                one_each(k.output.elements()), {number(k.kind), static_cast<std::uint32_t>(axes.rank)});
}

void plan(const Unary& k, Plan& plan) {
  require_f32(k.output);
  plan.dispatch(kUnary, {in(k.input), out(k.output)},
                UnaryPush{count_of(k.output), static_cast<float>(k.scale), static_cast<float>(k.offset)},
                one_each(k.output.elements()), {number(k.kind)});
}

}  // namespace tapeline::vulkan
