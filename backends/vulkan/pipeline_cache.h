#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "backends/vulkan/logical_device.h"

namespace tapeline::vulkan {

/// What the driver made of the shaders, kept on the disk from one run to the next: one file for each device,
/// driver and set of shaders in cache_folder(). A file that is damaged, or is another's, counts as none; one
/// that cannot be written is worth one warning and nothing more.
class PipelineCache {
 public:
  explicit PipelineCache(std::shared_ptr<LogicalDevice> device);
  ~PipelineCache();
  PipelineCache(const PipelineCache&) = delete;
  PipelineCache& operator=(const PipelineCache&) = delete;

  VkPipelineCache handle() const { return handle_; }
  /// Writes the file where the driver has more to keep than it was given. Does not throw.
  void save() noexcept;

 private:
  std::shared_ptr<LogicalDevice> device_;
  std::optional<std::filesystem::path> path_;
  std::uint64_t known_ = 0;  // digest of what is in the file
  VkPipelineCache handle_ = VK_NULL_HANDLE;
};

}  // namespace tapeline::vulkan
