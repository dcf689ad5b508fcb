#include "backends/vulkan/identity.h"

#include <cstring>
#include <span>

#include "engine/error.h"
#include "engine/io/cache_folder.h"
#include "engine/io/digest.h"
#include "shaders/digest.h"

namespace tapeline::vulkan {

Identity identity_of(const PhysicalDevice& device) {
  VkPhysicalDeviceIDProperties id{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                         .pNext = &id};
  vkGetPhysicalDeviceProperties2(device.handle, &properties);
  Identity identity;
  std::memcpy(identity.device.data(), id.deviceUUID, VK_UUID_SIZE);
  std::memcpy(identity.driver.data(), id.driverUUID, VK_UUID_SIZE);
  std::memcpy(identity.cache.data(), properties.properties.pipelineCacheUUID, VK_UUID_SIZE);
  identity.driver_version = properties.properties.driverVersion;
  identity.vendor = properties.properties.vendorID;
  identity.model = properties.properties.deviceID;
  identity.lanes = device.shuffle_lanes;
  static_assert(sizeof kShadersDigest == sizeof(Identity::shaders) + 1);
  std::memcpy(identity.shaders.data(), kShadersDigest, identity.shaders.size());
  return identity;
}

std::optional<std::filesystem::path> file_of(const Identity& identity, std::string_view extension) {
  const auto folder = cache_folder();
  if (!folder) return {};
  return *folder /
         fmt::format("vulkan-{:016x}.{}", digest(std::as_bytes(std::span(&identity, 1))), extension);
}

}  // namespace tapeline::vulkan
