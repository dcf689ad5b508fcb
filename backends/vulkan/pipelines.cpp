#include "backends/vulkan/pipelines.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "engine/error.h"

namespace tapeline::vulkan {
namespace {

std::vector<std::uint32_t> constants_of(const Dispatch& dispatch) {
  return {dispatch.constants.begin(),
          dispatch.constants.begin() + static_cast<std::ptrdiff_t>(dispatch.constant_count)};
}

}  // namespace

Pipelines::Pipelines(std::shared_ptr<LogicalDevice> device)
    : device_(std::move(device)), nothing_(device_, 256, device_->tensor_memory(), false), cache_(device_) {
  const VkDevice handle = device_->handle();
  const VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, Dispatch::kMostPush};
  for (std::uint32_t texels = 0; texels < layouts_.size(); ++texels) {
    std::array<VkDescriptorSetLayoutBinding, Dispatch::kMostOperands> bindings{};
    for (std::uint32_t i = 0; i < bindings.size(); ++i)
      bindings[i] = {i,
                     i < texels ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                     1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
    for (std::uint32_t operands = texels + 1; operands < layouts_[texels].size(); ++operands) {
      Layout& layout = layouts_[texels][operands];
      VkDescriptorSetLayoutCreateInfo set{.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
      set.bindingCount = operands;
      set.pBindings = bindings.data();
      device_->check(vkCreateDescriptorSetLayout(handle, &set, nullptr, &layout.set),
                     "making a descriptor set layout");
      VkPipelineLayoutCreateInfo info{.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
      info.setLayoutCount = 1;
      info.pSetLayouts = &layout.set;
      info.pushConstantRangeCount = 1;
      info.pPushConstantRanges = &push;
      device_->check(vkCreatePipelineLayout(handle, &info, nullptr, &layout.pipeline),
                     "making a pipeline layout");
    }
  }
}

Pipelines::~Pipelines() {
  const VkDevice handle = device_->handle();
  if (!pipelines_.empty()) cache_.save();
  for (const auto& [key, pipeline] : pipelines_) vkDestroyPipeline(handle, pipeline, nullptr);
  for (const auto& layouts : layouts_)
    for (const Layout& layout : layouts) {
      vkDestroyPipelineLayout(handle, layout.pipeline, nullptr);
      vkDestroyDescriptorSetLayout(handle, layout.set, nullptr);
    }
}

VkPipeline Pipelines::pipeline(const Dispatch& dispatch) {
  VkPipeline& pipeline = pipelines_[{dispatch.shader, constants_of(dispatch)}];
  if (!pipeline) pipeline = create(dispatch);
  return pipeline;
}

void Pipelines::build(const std::vector<Dispatch>& dispatches) {
  std::vector<std::pair<VkPipeline*, const Dispatch*>> missing;
  for (const Dispatch& dispatch : dispatches) {
    if (dispatch.groups == 0) continue;
    const auto entry = pipelines_.try_emplace({dispatch.shader, constants_of(dispatch)}, VkPipeline{}).first;
    if (!entry->second && std::none_of(missing.begin(), missing.end(),
                                       [&](const auto& m) { return m.first == &entry->second; }))
      missing.emplace_back(&entry->second, &dispatch);
  }
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::string failure;
  const auto work = [&] {
    for (std::size_t i = next++; i < missing.size(); i = next++) try {
        *missing[i].first = create(*missing[i].second);
      } catch (const Error& error) {
        const std::scoped_lock lock(mutex);
        failure = error.what();
      }
  };
  const std::size_t helpers =
      std::min<std::size_t>(missing.size(), std::max(1u, std::thread::hardware_concurrency()));
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < helpers; ++i) threads.emplace_back(work);
  work();
  threads.clear();
  if (!failure.empty()) throw Error("{}", failure);
}

VkPipeline Pipelines::create(const Dispatch& dispatch) const {
  const VkDevice handle = device_->handle();
  const std::string what =
      fmt::format("building the shader {} of kernel {}", dispatch.shader->name, dispatch.kernel);
  VkShaderModuleCreateInfo module_info{.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module_info.codeSize = dispatch.shader->code.size_bytes();
  module_info.pCode = dispatch.shader->code.data();
  VkShaderModule module = VK_NULL_HANDLE;
  device_->check(vkCreateShaderModule(handle, &module_info, nullptr, &module), what);

  std::array<VkSpecializationMapEntry, Dispatch::kMostConstants> entries{};
  for (std::uint32_t i = 0; i < entries.size(); ++i) entries[i] = {i, i * 4, 4};
  const VkSpecializationInfo constants{.mapEntryCount = static_cast<std::uint32_t>(dispatch.constant_count),
                                       .pMapEntries = entries.data(),
                                       .dataSize = dispatch.constant_count * 4,
                                       .pData = dispatch.constants.data()};
  VkComputePipelineCreateInfo info{.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .pNext = nullptr,
                .flags = 0,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
                .pSpecializationInfo = &constants};
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup{
      .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
  if (dispatch.subgroup > 0) {
    subgroup.requiredSubgroupSize = dispatch.subgroup;
    info.stage.pNext = &subgroup;
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  }
  info.layout = layout(dispatch).pipeline;
  VkPipeline pipeline = VK_NULL_HANDLE;
  const VkResult result = vkCreateComputePipelines(handle, cache_.handle(), 1, &info, nullptr, &pipeline);
  vkDestroyShaderModule(handle, module, nullptr);
  device_->check(result, what);
  return pipeline;
}

}  // namespace tapeline::vulkan
