#pragma once

// Some kernels can be computed by several shaders, the variants. Which one does is decided in one place: by
// TAPELINE_VULKAN_TILES where it names one, else by what was measured on this device, else by the order in
// which the kernel lists its candidates.

#include <array>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "backends/vulkan/identity.h"

namespace tapeline::vulkan {

enum class Variant : std::uint32_t {
  lanes,        // a subgroup is a vector register: for drivers on the processor
  shared,       // tiles of 64 rows in shared memory, of 32 where 64 would leave a GPU idle
  shared_32,    // tiles of 32 rows always
  cooperative,  // cooperative matrices, in fp16
};
inline constexpr std::array kVariants{Variant::lanes, Variant::shared, Variant::shared_32,
                                      Variant::cooperative};

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
inline constexpr std::array kFamilies{Family::product,       Family::weight_gradient, Family::lstm_forward,
                                      Family::lstm_backward, Family::max_pool2d,      Family::turn};

/// "weight-gradient"
std::string_view name_of(Family family);

/// What a variant is chosen for. Nothing in it depends on the batch or on the width of images, so that one
/// image is computed alike alone and in any batch.
struct Task {
  Family family;
  std::int64_t inner = 0, outputs = 0;  // terms of a sum that the weights tell, and channels that come out
};

/// Tasks for which one variant is chosen together.
struct TaskClass {
  static constexpr std::array<std::int64_t, 2> kInner{64, 512}, kOutputs{32, 128};  // those beyond are third

  Family family;
  int inner = 0, outputs = 0;  // 0, 1, 2
  auto operator<=>(const TaskClass&) const = default;
};
TaskClass class_of(const Task& task);
/// "inner <= 64, outputs > 128"
std::string size_of(const TaskClass& task);

/// Whether the variant can do this very task on this device. Where that depends on the batch (on an operand's
/// bytes, say), the variant must give the bits of those that follow it.
struct Candidate {
  Variant variant;
  bool fits = true;
};

class Variants {
 public:
  using Choice = std::map<TaskClass, Variant>;

  /// By the environment and by what was kept for this device in this precision. Throws Error where
  /// TAPELINE_VULKAN_TILES names no variant.
  static Variants of(const PhysicalDevice& device, Precision precision = Precision::fp32);
  /// This one wherever it fits.
  static Variants only(Variant variant);

  /// The variant that the environment names where it is a candidate that fits; else the one that was measured
  /// to be fastest where it is; else the first candidate that fits. At least one does.
  Variant choose(const Task& task, std::initializer_list<Candidate> candidates) const;

 private:
  std::optional<Variant> forced_;
  Choice tuned_;
};

/// What was measured on this device in this precision, kept in one small file beside its compiled shaders. A
/// file that is damaged, or another's, counts as none, and a name in it that this program does not know as
/// not measured.
std::optional<Variants::Choice> read_choice(const Identity& identity, Precision precision = Precision::fp32);
/// Throws Error where it cannot be written.
void write_choice(const Identity& identity, const Variants::Choice& choice,
                  Precision precision = Precision::fp32);

}  // namespace tapeline::vulkan
