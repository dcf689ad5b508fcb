// Which of the sizes that drivers offer is taken. The lists are like those of GPUs of several makers.

#include "backends/vulkan/cooperative_matrix.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "engine/error.h"

namespace tapeline::vulkan {
namespace {

constexpr auto kHalf = VK_COMPONENT_TYPE_FLOAT16_KHR, kFloat = VK_COMPONENT_TYPE_FLOAT32_KHR;
using Offered = VkCooperativeMatrixPropertiesKHR;

Offered size(std::uint32_t m, std::uint32_t n, std::uint32_t k, VkComponentTypeKHR factors = kHalf,
             VkComponentTypeKHR sums = kFloat) {
  Offered offered{};
  offered.MSize = m, offered.NSize = n, offered.KSize = k;
  offered.AType = offered.BType = factors;
  offered.CType = offered.ResultType = sums;
  offered.scope = VK_SCOPE_SUBGROUP_KHR;
  return offered;
}

/// "16x16x16", or "" where none is taken.
std::string taken(const std::vector<Offered>& offered, std::uint32_t subgroup = 32,
                  std::uint32_t shared_bytes = 32768, std::uint32_t invocations = 1024) {
  VkPhysicalDeviceLimits limits{};
  limits.maxComputeSharedMemorySize = shared_bytes;
  limits.maxComputeWorkGroupInvocations = limits.maxComputeWorkGroupSize[0] = invocations;
  const CooperativeMatrix found = choose_cooperative_matrix(offered, subgroup, limits);
  if (!found) return "";
  CHECK(found.invocations() == 4 * subgroup);
  return fmt::format("{}x{}x{}", found.rows, found.columns, found.deep);
}

}  // namespace

TEST_CASE("cooperative matrices: the largest size of fp16 with sums of fp32") {
  CHECK(taken({}) == "");
  CHECK(taken({size(16, 8, 8), size(16, 16, 16), size(16, 8, 16)}) == "16x16x16");
  CHECK(taken({size(16, 16, 16, kHalf, kHalf), size(16, 8, 16)}) == "16x8x16");
  CHECK(taken({size(8, 8, 16)}, 8) == "8x8x16");
  CHECK(taken({size(8, 8, 8, kFloat), size(16, 16, 16, kHalf, kHalf)}) == "");
  CHECK(taken({size(64, 64, 16), size(16, 16, 64), size(12, 8, 8), size(2, 8, 8), size(0, 0, 0)}) == "");
}

TEST_CASE("cooperative matrices: of a subgroup, and sums that do not stop at the largest value") {
  Offered of_a_workgroup = size(16, 16, 16), saturating = of_a_workgroup, mixed = of_a_workgroup;
  of_a_workgroup.scope = VkScopeKHR(2);
  saturating.saturatingAccumulation = VK_TRUE;
  mixed.BType = kFloat;
  CHECK(taken({of_a_workgroup, saturating, mixed}) == "");
  CHECK(taken({of_a_workgroup, size(8, 8, 8), saturating, mixed}) == "8x8x8");
}

TEST_CASE("cooperative matrices: within the limits of the device") {
  CHECK(taken({size(16, 16, 16), size(32, 32, 16)}, 32, 32768) == "32x32x16");
  CHECK(taken({size(16, 16, 16), size(32, 32, 16)}, 32, 16384) == "16x16x16");
  CHECK(taken({size(16, 16, 16)}, 32, 8192) == "");
  CHECK(taken({size(16, 16, 16)}, 64, 32768, 256) == "16x16x16");
  CHECK(taken({size(16, 16, 16)}, 64, 32768, 128) == "");
}

}  // namespace tapeline::vulkan
