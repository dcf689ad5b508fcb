#pragma once

#include <map>
#include <memory>
#include <vector>

#include "backends/vulkan/pipeline_cache.h"
#include "backends/vulkan/plan.h"

namespace tapeline::vulkan {

/// What a dispatch needs of the driver: compiled shaders and the layouts of their operands.
class Pipelines {
 public:
  explicit Pipelines(std::shared_ptr<LogicalDevice> device);
  ~Pipelines();
  Pipelines(const Pipelines&) = delete;
  Pipelines& operator=(const Pipelines&) = delete;

  struct Layout {
    VkDescriptorSetLayout set = VK_NULL_HANDLE;
    VkPipelineLayout pipeline = VK_NULL_HANDLE;
  };
  /// For the operands of a dispatch: how many, and how many of them are texels.
  const Layout& layout(const Dispatch& dispatch) const {
    return layouts_[dispatch.texel_count][dispatch.operand_count];
  }
  /// A little memory that nobody writes.
  const Buffer& nothing() const { return nothing_; }
  VkPipeline pipeline(const Dispatch& dispatch);
  /// Builds those of them that are missing, on several threads.
  void build(const std::vector<Dispatch>& dispatches);
  /// How many have been built so far.
  std::size_t built() const { return pipelines_.size(); }

 private:
  struct Key {
    const Shader* shader;
    std::vector<std::uint32_t> constants;
    auto operator<=>(const Key&) const = default;
  };
  VkPipeline create(const Dispatch& dispatch) const;

  std::shared_ptr<LogicalDevice> device_;
  Buffer nothing_;
  std::array<std::array<Layout, Dispatch::kMostOperands + 1>, Dispatch::kMostTexels + 1> layouts_{};
  PipelineCache cache_;
  std::map<Key, VkPipeline> pipelines_;
};

}  // namespace tapeline::vulkan
