#pragma once

#include <cstdint>
#include <span>

#include "backends/vulkan/cooperative_matrix_khr.h"

namespace tapeline::vulkan {

/// Matrices that the invocations of a subgroup multiply together: rows x deep times deep x columns, of fp16,
/// is added to sums of fp32. `shaders/cooperative_matrix.glsl` computes with them.
struct CooperativeMatrix {
  std::uint32_t rows = 0, columns = 0, deep = 0;
  std::uint32_t subgroup = 0;  // invocations of the subgroups that do; 0: the device has nothing of the kind
  explicit operator bool() const { return subgroup > 0; }

  /// A workgroup is 2 x 2 subgroups, each with 32 rows, or 64 of a tall tile, by 32 columns of sums.
  static constexpr std::uint32_t kRows = 64, kTallRows = 128, kColumns = 64, kMostDeep = 32, kSubgroups = 4;
  std::uint32_t invocations() const { return kSubgroups * subgroup; }
  /// Shared memory of a workgroup whose tiles have so many rows, at most.
  std::size_t shared_bytes(std::uint32_t tile_rows) const;
};

/// The largest of the sizes on offer that these shaders can use, with subgroups of so many invocations and
/// within these limits; nothing where there is none.
CooperativeMatrix choose_cooperative_matrix(std::span<const VkCooperativeMatrixPropertiesKHR> offered,
                                            std::uint32_t subgroup, const VkPhysicalDeviceLimits& limits);

/// The same of a device with the extensions below; nothing too where it lacks what these shaders need
/// besides: the Vulkan memory model, and subgroups of a size that can be asked for.
CooperativeMatrix find_cooperative_matrix(VkPhysicalDevice device);

/// What using them takes, to be asked for where a device is opened.
struct CooperativeFeatures {
  static constexpr const char* kExtensions[] = {VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME,
                                                VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME,
                                                VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME};

  VkPhysicalDeviceVulkanMemoryModelFeatures memory_model{};
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroups{};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices{};

  CooperativeFeatures() {
    memory_model.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES;
    subgroups.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES;
    subgroups.pNext = &memory_model;
    matrices.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR;
    matrices.pNext = &subgroups;
  }
  CooperativeFeatures(const CooperativeFeatures&) = delete;
  CooperativeFeatures& operator=(const CooperativeFeatures&) = delete;

  void* chain() { return &matrices; }
  void set_all() {
    memory_model.vulkanMemoryModel = VK_TRUE;
    memory_model.vulkanMemoryModelDeviceScope = VK_TRUE;  // for atomics of shaders that know no memory model
    subgroups.subgroupSizeControl = subgroups.computeFullSubgroups = VK_TRUE;
    matrices.cooperativeMatrix = VK_TRUE;
  }
  bool all() const {
    return memory_model.vulkanMemoryModel && memory_model.vulkanMemoryModelDeviceScope &&
           subgroups.subgroupSizeControl && subgroups.computeFullSubgroups && matrices.cooperativeMatrix;
  }
};

}  // namespace tapeline::vulkan
