#include "backends/vulkan/logical_device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>

#include "engine/error.h"

namespace tapeline::vulkan {
namespace {

const char* name_of(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return "integrated GPU";
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return "GPU";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return "virtual GPU";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return "software on the processor";
    default:
      return "device of unknown type";
  }
}

std::vector<VkExtensionProperties> extensions_of(VkPhysicalDevice device) {
  std::uint32_t count = 0;
  vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  vkEnumerateDeviceExtensionProperties(device, nullptr, &count, extensions.data());
  return extensions;
}

bool has(const std::vector<VkExtensionProperties>& extensions, const char* name) {
  return std::any_of(extensions.begin(), extensions.end(), [&](const VkExtensionProperties& extension) {
    return std::strcmp(extension.extensionName, name) == 0;
  });
}

bool has_all(const std::vector<VkExtensionProperties>& extensions, std::span<const char* const> names) {
  return std::all_of(names.begin(), names.end(), [&](const char* name) { return has(extensions, name); });
}

/// A family that computes, one without graphics where there is a choice: it is less busy.
std::optional<std::uint32_t> compute_family(VkPhysicalDevice device) {
  std::uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  std::optional<std::uint32_t> found;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
    if (!found || !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT)) found = i;
  }
  return found;
}

std::uint32_t shuffle_lanes_of(VkPhysicalDevice device) {
  VkPhysicalDeviceSubgroupProperties subgroup{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                         .pNext = &subgroup};
  vkGetPhysicalDeviceProperties2(device, &properties);
  constexpr VkSubgroupFeatureFlags kNeeded =
      VK_SUBGROUP_FEATURE_SHUFFLE_BIT | VK_SUBGROUP_FEATURE_VOTE_BIT | VK_SUBGROUP_FEATURE_BASIC_BIT;
  const bool can = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                   (subgroup.supportedOperations & kNeeded) == kNeeded;
  return can ? subgroup.subgroupSize : 0;
}

/// What fp16 takes, as a driver offers it or is asked for it.
struct HalfFeatures {
  VkPhysicalDevice16BitStorageFeatures storage{.sType =
                                                   VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
  VkPhysicalDeviceShaderFloat16Int8Features arithmetic{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, .pNext = &storage};
};

bool has_fp16(VkPhysicalDevice device, std::uint32_t api,
              const std::vector<VkExtensionProperties>& extensions) {
  if (api < VK_API_VERSION_1_2 && !has(extensions, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME)) return false;
  HalfFeatures half;
  VkPhysicalDeviceFeatures2 features{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                     .pNext = &half.arithmetic};
  vkGetPhysicalDeviceFeatures2(device, &features);
  return half.arithmetic.shaderFloat16 && half.storage.storageBuffer16BitAccess;
}

std::string describe_features(const PhysicalDevice& device, std::uint32_t api,
                              const std::vector<VkExtensionProperties>& extensions) {
  VkPhysicalDeviceSubgroupProperties subgroup{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceDriverProperties driver{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
                                          .pNext = &subgroup};
  const bool knows_driver =
      api >= VK_API_VERSION_1_2 || has(extensions, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME);
  VkPhysicalDeviceProperties2 properties{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  if (knows_driver)
    properties.pNext = &driver;
  else
    properties.pNext = &subgroup;
  vkGetPhysicalDeviceProperties2(device.handle, &properties);

  std::string text, matrices = "no cooperative matrices";
  if (const CooperativeMatrix& size = device.cooperative)
    matrices = fmt::format("cooperative matrices {}x{}x{}", size.rows, size.columns, size.deep);
  if (knows_driver) text = fmt::format("{} {}, ", driver.driverName, driver.driverInfo);
  return text + fmt::format("Vulkan {}.{}, subgroups of {}, {} fp16, {}", VK_API_VERSION_MAJOR(api),
                            VK_API_VERSION_MINOR(api), subgroup.subgroupSize, device.fp16 ? "with" : "no",
                            matrices);
}

PhysicalDevice examine(VkPhysicalDevice handle, std::size_t index) {
  VkPhysicalDeviceProperties properties;
  vkGetPhysicalDeviceProperties(handle, &properties);
  PhysicalDevice device;
  device.handle = handle;
  device.id = fmt::format("vulkan:{}", index);
  device.name = properties.deviceName;
  device.type = properties.deviceType;
  device.limits = properties.limits;
  device.about = name_of(properties.deviceType);

  VkPhysicalDeviceMemoryProperties memory;
  vkGetPhysicalDeviceMemoryProperties(handle, &memory);
  for (std::uint32_t i = 0; i < memory.memoryHeapCount; ++i)
    if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      device.memory = std::max(device.memory, static_cast<std::size_t>(memory.memoryHeaps[i].size));

  constexpr std::uint32_t kBindings = 8, kInvocations = 128;
  const auto family = compute_family(handle);
  if (properties.apiVersion < VK_API_VERSION_1_1) {
    device.reason = "its driver offers less than Vulkan 1.1; bring the driver up to date";
  } else if (!family) {
    device.reason = "it has no queue that computes";
  } else if (properties.limits.maxPerStageDescriptorStorageBuffers < kBindings ||
             properties.limits.maxComputeWorkGroupInvocations < kInvocations) {
    device.reason =
        fmt::format("it has too little for these kernels: {} storage buffers (of {}), {} invocations (of {})",
                    properties.limits.maxPerStageDescriptorStorageBuffers, kBindings,
                    properties.limits.maxComputeWorkGroupInvocations, kInvocations);
  } else {
    device.queue_family = *family;
    device.shuffle_lanes = shuffle_lanes_of(handle);
    const auto extensions = extensions_of(handle);
    device.fp16 = has_fp16(handle, properties.apiVersion, extensions);
    if (device.fp16 && has_all(extensions, CooperativeFeatures::kExtensions))
      device.cooperative = find_cooperative_matrix(handle);
    device.about += ", " + describe_features(device, properties.apiVersion, extensions);
  }
  return device;
}

}  // namespace

std::vector<PhysicalDevice> list_devices(const Instance& instance) {
  std::vector<PhysicalDevice> devices;
  for (const VkPhysicalDevice handle : instance.devices()) devices.push_back(examine(handle, devices.size()));
  return devices;
}

std::vector<Precision> PhysicalDevice::precisions() const {
  if (fp16) return {Precision::fp32, Precision::fp16};
  return {Precision::fp32};
}

LogicalDevice::LogicalDevice(std::shared_ptr<Instance> instance, PhysicalDevice physical, Precision precision)
    : instance_(std::move(instance)), physical_(std::move(physical)), precision_(precision) {
  if (const auto all = physical_.precisions(); std::find(all.begin(), all.end(), precision) == all.end())
    throw Error("{} ({}) does not compute in {}; choose --precision {}, or another --device", id(),
                physical_.name, tapeline::name_of(precision), physical_.fp16 ? "fp32 or fp16" : "fp32");
  const float priority = 1;
  const VkDeviceQueueCreateInfo queue{.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                      .pNext = nullptr,
                                      .flags = 0,
                                      .queueFamilyIndex = physical_.queue_family,
                                      .queueCount = 1,
                                      .pQueuePriorities = &priority};
  std::vector<const char*> extensions;
  // A device that is not wholly conformant (MoltenVK) says so by this extension, which must then be taken.
  constexpr const char* kPortability = "VK_KHR_portability_subset";
  const auto offered = extensions_of(physical_.handle);
  if (has(offered, kPortability)) extensions.push_back(kPortability);
  tells_budget_ = has(offered, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  if (tells_budget_) extensions.push_back(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  HalfFeatures half;
  if (physical_.fp16) {
    half.arithmetic.shaderFloat16 = half.storage.storageBuffer16BitAccess = VK_TRUE;
    constexpr const char* kHalf = VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME;  // a part of Vulkan since 1.2
    if (has(offered, kHalf)) extensions.push_back(kHalf);
  }
  CooperativeFeatures cooperative;
  if (physical_.cooperative) {
    cooperative.set_all();
    half.storage.pNext = cooperative.chain();
    for (const char* extension : CooperativeFeatures::kExtensions) extensions.push_back(extension);
  }
  VkDeviceCreateInfo info{.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  if (physical_.fp16) info.pNext = &half.arithmetic;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<std::uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  check(vkCreateDevice(physical_.handle, &info, nullptr, &handle_), "opening the device");
  vkGetDeviceQueue(handle_, physical_.queue_family, 0, &queue_);
  choose_memory();
}

LogicalDevice::~LogicalDevice() {
  if (!given_up_) vkDestroyDevice(handle_, nullptr);
}

std::size_t LogicalDevice::free_memory(std::size_t used) const {
  const std::size_t rest = tensor_heap_bytes_ - std::min(used, tensor_heap_bytes_);
  if (!tells_budget_) return rest;
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 memory{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
                                           .pNext = &budget};
  vkGetPhysicalDeviceMemoryProperties2(physical_.handle, &memory);
  const VkDeviceSize all = budget.heapBudget[tensor_heap_], taken = budget.heapUsage[tensor_heap_];
  return std::min<std::size_t>(rest, all - std::min(taken, all));
}

// The driver lists memory types of a kind in the order of preference.
void LogicalDevice::choose_memory() {
  VkPhysicalDeviceMemoryProperties memory;
  vkGetPhysicalDeviceMemoryProperties(physical_.handle, &memory);
  const auto find = [&](VkMemoryPropertyFlags wanted) -> std::optional<std::uint32_t> {
    for (std::uint32_t i = 0; i < memory.memoryTypeCount; ++i)
      if ((memory.memoryTypes[i].propertyFlags & wanted) == wanted) return i;
    return {};
  };
  constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  constexpr VkMemoryPropertyFlags kSeen =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

  staging_memory_ = find(kSeen | kCached).value_or(find(kSeen).value_or(0));
  const char* staging_wanted = std::getenv("TAPELINE_VULKAN_STAGING");
  const bool apart = physical_.type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU ||
                     (staging_wanted && std::strcmp(staging_wanted, "1") == 0);
  const auto shared = find(kLocal | kSeen | kCached);
  unified_ = !apart && shared;
  tensor_memory_ = unified_ ? *shared : find(kLocal).value_or(0);
  tensor_heap_ = memory.memoryTypes[tensor_memory_].heapIndex;
  tensor_heap_bytes_ = memory.memoryHeaps[tensor_heap_].size;

  VkPhysicalDeviceMaintenance3Properties most{.sType =
                                                  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                         .pNext = &most};
  vkGetPhysicalDeviceProperties2(physical_.handle, &properties);
  if (most.maxMemoryAllocationSize > 0) largest_allocation_ = most.maxMemoryAllocationSize;
}

}  // namespace tapeline::vulkan
