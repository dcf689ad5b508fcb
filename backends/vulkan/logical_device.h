#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/vulkan/cooperative_matrix.h"
#include "backends/vulkan/instance.h"
#include "engine/precision.h"

namespace tapeline::vulkan {

/// A device as the driver lists it.
struct PhysicalDevice {
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  std::string id;      // "vulkan:0"
  std::string name;    // "llvmpipe (LLVM 15.0.6, 256 bits)"
  std::string about;   // its type, driver, subgroups and extensions, for people
  std::string reason;  // why it cannot be used; empty where it can
  VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
  VkPhysicalDeviceLimits limits{};
  std::size_t memory = 0;  // bytes of the largest heap that is the device's own
  std::uint32_t queue_family = 0;
  std::uint32_t shuffle_lanes = 0;  // of a subgroup that can shuffle and vote; 0 where it cannot
  bool fp16 = false;                // computes with 16-bit floats, and has buffers of them
  CooperativeMatrix cooperative;    // in fp16, where it has them

  /// That it can be opened with.
  std::vector<Precision> precisions() const;
};

/// All that the driver lists, usable or not.
std::vector<PhysicalDevice> list_devices(const Instance& instance);

/// An open device with one queue for computing and copying.
class LogicalDevice {
 public:
  /// Throws Error, naming the device, where it does not compute in the precision.
  LogicalDevice(std::shared_ptr<Instance> instance, PhysicalDevice physical,
                Precision precision = Precision::fp32);
  ~LogicalDevice();
  LogicalDevice(const LogicalDevice&) = delete;
  LogicalDevice& operator=(const LogicalDevice&) = delete;

  VkDevice handle() const { return handle_; }
  VkQueue queue() const { return queue_; }
  const PhysicalDevice& physical() const { return physical_; }
  Precision precision() const { return precision_; }
  const std::string& id() const { return physical_.id; }
  const VkPhysicalDeviceLimits& limits() const { return physical_.limits; }
  Instance& instance() const { return *instance_; }
  /// A processor that plays a GPU: registers are what it has, and shared memory gains nothing.
  bool is_cpu() const { return physical_.type == VK_PHYSICAL_DEVICE_TYPE_CPU; }
  /// Memory type for tensors, and whether the host sees it (then it is written and read in place).
  std::uint32_t tensor_memory() const { return tensor_memory_; }
  bool unified() const { return unified_; }
  /// Memory type for what travels between host and device.
  std::uint32_t staging_memory() const { return staging_memory_; }

  /// What the driver would still give of the memory that tensors lie in: its budget for this process, where
  /// it tells one (VK_EXT_memory_budget), else all but `used`.
  std::size_t free_memory(std::size_t used) const;
  /// Bytes of the heap that tensors lie in, and of the largest single allocation in it.
  std::size_t tensor_heap_bytes() const { return tensor_heap_bytes_; }
  std::size_t largest_allocation() const { return largest_allocation_; }

  /// The device does not answer any more: it is left as it is, since to take it down would wait for it.
  void give_up() { given_up_ = true; }
  bool given_up() const { return given_up_; }

  void check(VkResult result, std::string_view what) const { vulkan::check(result, id(), what); }

 private:
  void choose_memory();

  std::shared_ptr<Instance> instance_;
  PhysicalDevice physical_;
  Precision precision_;
  VkDevice handle_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  std::uint32_t tensor_memory_ = 0, staging_memory_ = 0, tensor_heap_ = 0;
  std::size_t tensor_heap_bytes_ = 0, largest_allocation_ = SIZE_MAX;
  bool unified_ = false, tells_budget_ = false, given_up_ = false;
};

}  // namespace tapeline::vulkan
