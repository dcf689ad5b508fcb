#define VOLK_IMPLEMENTATION
#include "backends/vulkan/api.h"

#include "engine/error.h"

namespace tapeline::vulkan {

std::string_view name_of(VkResult result) {
  switch (result) {
    case VK_SUCCESS:
      return "VK_SUCCESS";
    case VK_TIMEOUT:
      return "VK_TIMEOUT";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_OUT_OF_POOL_MEMORY:
      return "VK_ERROR_OUT_OF_POOL_MEMORY";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
      return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "VK_ERROR_INCOMPATIBLE_DRIVER";
    default:
      return "an error of the driver's own";
  }
}

namespace {

std::string_view remedy(VkResult result) {
  switch (result) {
    case VK_TIMEOUT:
      return "it does not answer: the driver hangs, or other programs keep it busy; start again, or choose "
             "another "
             "device";
    case VK_ERROR_DEVICE_LOST:
      return "the driver gave the device up; start again (training goes on from its last checkpoint), with a "
             "smaller batch if it happens again";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
      return "use a smaller batch, image or network";
    default:
      return "bring the driver up to date, or choose another device";
  }
}

}  // namespace

void check(VkResult result, std::string_view device, std::string_view what) {
  if (result != VK_SUCCESS)
    throw Error("{}: {} failed with {} ({}): {}", device, what, name_of(result), static_cast<int>(result),
                remedy(result));
}

}  // namespace tapeline::vulkan
