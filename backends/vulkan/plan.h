#pragma once

// What a kernel becomes: a few dispatches of shaders, as values. A plan knows nothing of command buffers, so
// the shaders of a whole program can be looked up, and built, before any of it is encoded.

#include <array>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "backends/vulkan/memory.h"
#include "backends/vulkan/slabs.h"
#include "backends/vulkan/variants.h"
#include "engine/kernels/kernel.h"

namespace tapeline::vulkan {

/// SPIR-V that was compiled in. Its address identifies it.
struct Shader {
  std::string_view name;
  std::span<const std::uint32_t> code;
};

/// A storage buffer of a dispatch. What is read and written through one buffer is `out`, with `reads` set.
struct Operand {
  Place place;
  bool reads = false, writes = false;
  VkFormat texels = VK_FORMAT_UNDEFINED;  // otherwise it is no storage buffer, but read as texels
};
inline Operand in(const Place& place) { return {place, true, false}; }
inline Operand out(const Place& place) { return {place, false, true}; }
inline Operand both(const Place& place) { return {place, true, true}; }
inline std::size_t texel_bytes(VkFormat format) {
  switch (format) {
    case VK_FORMAT_R16_SFLOAT:
      return 2;
    case VK_FORMAT_R32_SFLOAT:
      return 4;
    case VK_FORMAT_R16G16B16A16_SFLOAT:
      return 8;
    default:
      return 16;
  }
}
/// Floats to be read as texels, in fours or one by one. Such operands come before all others.
inline Operand texels(const Place& place, bool fours) {
  return {place, true, false, fours ? VK_FORMAT_R32G32B32A32_SFLOAT : VK_FORMAT_R32_SFLOAT};
}
/// The same of fp16.
inline Operand texels_of_half(const Place& place, bool fours) {
  return {place, true, false, fours ? VK_FORMAT_R16G16B16A16_SFLOAT : VK_FORMAT_R16_SFLOAT};
}
inline Operand in(const View& view) { return in(place_of(view)); }
inline Operand out(const View& view) { return out(place_of(view)); }
inline Operand both(const View& view) { return both(place_of(view)); }

/// Invocations are counted in one dimension; a workgroup has `local` of them. Where `subgroup` is not 0, they
/// are in whole subgroups of that size; else these are as the driver likes.
struct Grid {
  std::uint64_t groups = 0;
  std::uint32_t local = 64;
  std::uint32_t subgroup = 0;
};

/// Some of the rows (images, or positions) that a kernel sums over.
struct Run {
  std::int64_t first = 0, count = 0;
};
inline std::size_t bytes_of_image(const View& view) {
  return view && view.shape[0] ? view.bytes() / static_cast<std::size_t>(view.shape[0]) : 0;
}
/// Of operands that have so many bytes a row, the rows of a run. What is absent stays so.
Place rows_of(const Place& place, std::size_t row_bytes, const Run& run);

inline Place images(const View& view, const Run& run) {
  return rows_of(place_of(view), bytes_of_image(view), run);
}

struct Dispatch {
  static constexpr std::size_t kMostOperands = 8, kMostTexels = 2, kMostPush = 128, kMostConstants = 13;

  const Shader* shader = nullptr;
  std::string_view kernel;  // for messages
  std::array<Operand, kMostOperands> operands{};
  std::size_t operand_count = 0, texel_count = 0;  // the first operands are texels
  std::array<std::uint32_t, kMostConstants>
      constants{};  // specialisation constant i; the first is Grid::local
  std::size_t constant_count = 0;
  std::array<std::byte, kMostPush> push{};
  std::uint32_t push_bytes = 0;
  std::uint64_t groups = 0;
  std::uint32_t subgroup = 0;  // as Grid's
  double flops = 0;
};

class Plan {
 public:
  Plan(const LogicalDevice& device, std::shared_ptr<Memory> memory, const Variants& variants)
      : device_(device), memory_(std::move(memory)), variants_(variants) {}

  /// Appends the dispatches of one kernel, a few images at a time where its operands exceed what shaders
  /// reach. Throws Error, naming device, kernel and shapes, where the device cannot do it.
  void add(const Kernel& kernel);

  const std::vector<Dispatch>& dispatches() const { return dispatches_; }
  /// The last choice between variants, if there was any.
  std::optional<Variant> chosen() const { return chosen_; }
  /// What kernels compute with between their dispatches; as long as the plan may run, it must be held.
  const std::vector<std::shared_ptr<Block>>& scratch_blocks() const { return scratch_blocks_; }

  // For the kernels.

  const LogicalDevice& device() const { return device_; }
  /// Whether the factors of products are fp16.
  bool half() const { return device_.precision() == Precision::fp16; }
  Variant choose(const Task& task, std::initializer_list<Candidate> candidates) {
    const Variant variant = variants_.choose(task, candidates);
    chosen_ = variant;
    return variant;
  }
  /// Whether Variant::lanes, which shuffles and reads this operand as texels, fits.
  bool lanes_fit(const Place& place, bool fours) const;
  /// Rows, of so many bytes in each operand, in runs that shaders reach: one where they reach all, or where a
  /// row alone is too much. For kernels that sum over rows; those that do not are split before (split.h).
  std::vector<Run> runs(std::int64_t rows, std::initializer_list<std::size_t> row_bytes) const;
  /// With what is left empty at the end, so that the next part's slabs, each of so many bytes, begin where
  /// they can be bound.
  Slabs whole_slabs(Slabs slabs, std::size_t bytes) const;
  /// Memory for this kernel's own use, uninitialised. The kernels of a plan share it one after the other.
  Place scratch(std::size_t bytes);
  /// `push` is a struct of 32-bit values, as the shader declares it. Nothing is done where there are no
  /// groups.
  template <typename Push>
  void dispatch(const Shader& shader, std::initializer_list<Operand> operands, const Push& push,
                const Grid& grid, std::initializer_list<std::uint32_t> constants = {}) {
    static_assert(std::is_trivially_copyable_v<Push> && sizeof(Push) <= Dispatch::kMostPush);
    Dispatch& made = append(shader, operands, grid, constants);
    std::memcpy(made.push.data(), &push, sizeof push);
    made.push_bytes = sizeof push;
  }

 private:
  void add_whole(const Kernel& kernel);
  Dispatch& append(const Shader& shader, std::initializer_list<Operand> operands, const Grid& grid,
                   std::initializer_list<std::uint32_t> constants);

  const LogicalDevice& device_;
  std::shared_ptr<Memory> memory_;
  const Variants& variants_;
  std::string_view kernel_;
  std::vector<Dispatch> dispatches_;
  std::vector<std::shared_ptr<Block>> scratch_blocks_;
  std::size_t scratch_used_ = 0;
  std::optional<Variant> chosen_;
};

/// A grid with an invocation for each of `count` things.
Grid one_each(std::int64_t count, std::uint32_t local = 64);

/// Throws where `value` is beyond 32 bits, which is what shaders count with.
std::uint32_t narrow(std::int64_t value);

/// Elements of a view, in 32 bits.
inline std::uint32_t count_of(const View& view) { return narrow(view.elements()); }

/// An enumerator as shaders know it.
template <typename Enum>
constexpr std::uint32_t number(Enum value) {
  return static_cast<std::uint32_t>(value);
}

/// Throws unless the view, if present, holds f32, the one type that this backend computes in.
void require_f32(const View& view);

}  // namespace tapeline::vulkan
