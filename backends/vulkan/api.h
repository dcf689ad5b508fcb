#pragma once

// The Vulkan API, its functions looked up at run time: a program with this backend starts without a driver.

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <volk.h>

#include <string_view>

namespace tapeline::vulkan {

/// "VK_ERROR_DEVICE_LOST"
std::string_view name_of(VkResult result);

/// Throws Error unless the result is VK_SUCCESS: what failed on which device, and what can be done.
void check(VkResult result, std::string_view device, std::string_view what);

}  // namespace tapeline::vulkan
