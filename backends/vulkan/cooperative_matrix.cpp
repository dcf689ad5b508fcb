#include "backends/vulkan/cooperative_matrix.h"

#include <algorithm>
#include <vector>

namespace tapeline::vulkan {
namespace {

// Matrices of a subgroup fill its part of a tile.
bool serves(const VkCooperativeMatrixPropertiesKHR& offered) {
  const auto divides = [](std::uint32_t size, std::uint32_t whole) {
    return size % 4 == 0 && size > 0 && whole % size == 0;
  };
  return offered.AType == VK_COMPONENT_TYPE_FLOAT16_KHR && offered.BType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
         offered.CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
         offered.ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && offered.scope == VK_SCOPE_SUBGROUP_KHR &&
         !offered.saturatingAccumulation && divides(offered.MSize, CooperativeMatrix::kRows / 2) &&
         divides(offered.NSize, CooperativeMatrix::kColumns / 2) &&
         divides(offered.KSize, CooperativeMatrix::kMostDeep);
}

}  // namespace

std::size_t CooperativeMatrix::shared_bytes(std::uint32_t tile_rows) const {
  constexpr std::size_t kHalf = 2, kFloat = 4, kPad = 8;  // as the shaders declare it
  const std::size_t forward = tile_rows * (kMostDeep + kPad) + kMostDeep * (kColumns + kPad),
                    weight = kMostDeep * (tile_rows + kPad) + kMostDeep * (kColumns + kPad);
  return std::max(forward, weight) * kHalf + kSubgroups * rows * columns * kFloat;
}

CooperativeMatrix choose_cooperative_matrix(std::span<const VkCooperativeMatrixPropertiesKHR> offered,
                                            std::uint32_t subgroup, const VkPhysicalDeviceLimits& limits) {
  CooperativeMatrix best;
  for (const VkCooperativeMatrixPropertiesKHR& size : offered) {
    if (!serves(size)) continue;
    const CooperativeMatrix made{size.MSize, size.NSize, size.KSize, subgroup};
    if (made.shared_bytes(CooperativeMatrix::kRows) <= limits.maxComputeSharedMemorySize &&
        made.invocations() <= limits.maxComputeWorkGroupInvocations &&
        made.invocations() <= limits.maxComputeWorkGroupSize[0] &&
        made.rows * made.columns * made.deep > best.rows * best.columns * best.deep)
      best = made;
  }
  return best;
}

CooperativeMatrix find_cooperative_matrix(VkPhysicalDevice device) {
  const auto list = reinterpret_cast<PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR>(
      vkGetInstanceProcAddr(volkGetLoadedInstance(), "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  if (!list) return {};
  CooperativeFeatures offered;
  VkPhysicalDeviceFeatures2 features{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                     .pNext = offered.chain()};
  vkGetPhysicalDeviceFeatures2(device, &features);
  VkPhysicalDeviceSubgroupSizeControlProperties subgroups{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                         .pNext = &subgroups};
  vkGetPhysicalDeviceProperties2(device, &properties);
  if (!offered.all() || !(subgroups.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) ||
      subgroups.maxComputeWorkgroupSubgroups < CooperativeMatrix::kSubgroups)
    return {};

  std::uint32_t count = 0;
  list(device, &count, nullptr);
  std::vector<VkCooperativeMatrixPropertiesKHR> sizes(
      count, {.sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR});
  list(device, &count, sizes.data());
  sizes.resize(count);
  return choose_cooperative_matrix(sizes, subgroups.minSubgroupSize, properties.properties.limits);
}

}  // namespace tapeline::vulkan
