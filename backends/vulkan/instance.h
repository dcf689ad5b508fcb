#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/vulkan/api.h"

namespace tapeline::vulkan {

/// The connection to the Vulkan loader, one in a process. With the environment variable
/// TAPELINE_VULKAN_VALIDATION=1 the Khronos validation layer watches, synchronisation included, and keeps
/// what it has to say.
class Instance {
 public:
  /// Opens it, or shares the one that is open. Throws Error when there is no loader or no driver at all.
  static std::shared_ptr<Instance> open();
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const std::vector<VkPhysicalDevice>& devices() const { return devices_; }
  bool validating() const { return messenger_ != VK_NULL_HANDLE; }
  /// What the validation layer has said since the last call.
  std::vector<std::string> take_messages();

 private:
  Instance();
  static VkBool32 VKAPI_PTR hear(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                 VkDebugUtilsMessageTypeFlagsEXT,
                                 const VkDebugUtilsMessengerCallbackDataEXT* data, void* instance);

  VkInstance handle_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  std::vector<VkPhysicalDevice> devices_;
  std::mutex mutex_;
  std::vector<std::string> messages_;
};

}  // namespace tapeline::vulkan
