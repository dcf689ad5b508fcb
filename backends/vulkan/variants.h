#pragma once

// Some kernels can be computed by several shaders, the variants. Which one does is decided in one place: by
// TAPELINE_VULKAN_TILES where it names one, else by the order in which the kernel lists its candidates.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace tapeline::vulkan {

enum class Variant : std::uint32_t {
  lanes,      // a subgroup is a vector register: for drivers on the processor
  shared,     // tiles of 64 rows in shared memory, of 32 where 64 would leave a GPU idle
  shared_32,  // tiles of 32 rows always
};
constexpr std::array kVariants{Variant::lanes, Variant::shared, Variant::shared_32};

/// "shared-32"
std::string_view name_of(Variant variant);

/// Kernels, and parts of them, that have variants.
enum class Family : std::uint32_t {
  product,          // convolutions, products of matrices, and their gradients in the input
  weight_gradient,  // the gradients in the weight of both
  lstm_forward,
  lstm_backward,
  max_pool2d,
  turn,  // of the last two axes
};

/// What a variant is chosen for. Nothing in it depends on the batch or on the width of images, so that one
/// image is computed alike alone and in any batch.
struct Task {
  Family family;
  std::int64_t inner = 0, outputs = 0;  // terms of a sum that the weights tell, and channels that come out
};

/// Whether the variant can do this very task on this device. Where that depends on the batch (on an operand's
/// bytes, say), the variant must give the bits of those that follow it.
struct Candidate {
  Variant variant;
  bool fits = true;
};

class Variants {
 public:
  /// By the environment. Throws Error where TAPELINE_VULKAN_TILES names no variant.
  static Variants of_environment();

  /// The variant asked for where it is a candidate that fits, else the first candidate that fits. At least
  /// one does.
  Variant choose(const Task& task, std::initializer_list<Candidate> candidates) const;

 private:
  std::optional<Variant> forced_;
};

}  // namespace tapeline::vulkan
