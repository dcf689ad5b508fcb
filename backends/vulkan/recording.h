#pragma once

#include <vector>

#include "backends/vulkan/pipelines.h"

namespace tapeline::vulkan {

/// A command buffer being filled. Which work must wait for which follows from what each reads and writes: a
/// barrier is set where a range that is read was written since the last one, or one that is written was read
/// or written. Its first and last commands are barriers too, against all that is submitted before and for the
/// host.
class Recording {
 public:
  Recording(std::shared_ptr<LogicalDevice> device, std::shared_ptr<Pipelines> pipelines);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// Makes it ready to be filled, again too.
  void begin();
  void add(const Dispatch& dispatch);
  void copy(const Place& from, const Place& to);
  void end();

  VkCommandBuffer handle() const { return commands_; }
  std::size_t size() const { return size_; }
  /// Which kernels are in it, for messages.
  std::string contents() const;

 private:
  struct Range {
    const Buffer* buffer;
    std::size_t begin, end;
  };
  static bool overlaps(const std::vector<Range>& ranges, const Range& range);
  void wait_for(std::span<const Operand> operands);
  VkDescriptorSet allocate_set(const Dispatch& dispatch);
  VkBufferView view_of(const VkDescriptorBufferInfo& range, VkFormat format);
  void destroy_views();

  std::shared_ptr<LogicalDevice> device_;
  std::shared_ptr<Pipelines> pipelines_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  std::vector<VkDescriptorPool> sets_;
  std::size_t sets_used_ = 0;
  std::vector<VkBufferView> views_;
  std::vector<Range> read_, written_;  // since the last barrier
  std::size_t size_ = 0;
  std::string_view first_, last_;
};

}  // namespace tapeline::vulkan
