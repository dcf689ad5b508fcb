#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/backend.h"

namespace tapeline {

/// Whether a look at the Vulkan devices is worth its time to whoever wants a GPU: on Linux, where the kernel
/// knows of one, or the environment names drivers.
bool vulkan_may_have_gpu();

/// Whatever Vulkan devices there are, GPUs first; with the reason where one cannot be used. Throws Error when
/// there is no loader or no driver at all.
struct VulkanEntry {
  DeviceInfo info;
  bool is_gpu = false;  // not software on the processor
  std::string reason;   // empty: usable
};
std::vector<VulkanEntry> list_vulkan();

/// Opens "vulkan" (the first GPU, or the first device where there is none), "vulkan:1", or "vulkan:NAME", any
/// part of the name of a device. Throws Error on any other, listing what there is, and on a precision that
/// the device does not compute in.
std::shared_ptr<Backend> open_vulkan(std::string_view id, Precision precision = Precision::fp32);

/// Whether a device was closed that hung, and still does.
bool vulkan_left_at_work();

/// What the validation layer has said since the last call; always nothing unless TAPELINE_VULKAN_VALIDATION=1
/// and a device is open.
std::vector<std::string> take_vulkan_messages();

}  // namespace tapeline
