#include "backends/vulkan/recording.h"

#include <algorithm>

#include "engine/error.h"

namespace tapeline::vulkan {
namespace {

constexpr std::uint32_t kSetsOfAPool = 64;
constexpr VkPipelineStageFlags kWork = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkAccessFlags kWrites = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
constexpr VkAccessFlags kReads = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;

void barrier(VkCommandBuffer commands, VkPipelineStageFlags after, VkAccessFlags for_what) {
  const VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, kWrites, for_what};
  vkCmdPipelineBarrier(commands, kWork, after, 0, 1, &memory, 0, nullptr, 0, nullptr);
}

}  // namespace

Recording::Recording(std::shared_ptr<LogicalDevice> device, std::shared_ptr<Pipelines> pipelines)
    : device_(std::move(device)), pipelines_(std::move(pipelines)) {
  const VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, nullptr, 0,
                                     device_->physical().queue_family};
  device_->check(vkCreateCommandPool(device_->handle(), &pool, nullptr, &pool_), "making a command pool");
  const VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, pool_,
                                         VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
  device_->check(vkAllocateCommandBuffers(device_->handle(), &info, &commands_), "making a command buffer");
}

Recording::~Recording() {
  destroy_views();
  for (const VkDescriptorPool sets : sets_) vkDestroyDescriptorPool(device_->handle(), sets, nullptr);
  vkDestroyCommandPool(device_->handle(), pool_, nullptr);
}

void Recording::begin() {
  device_->check(vkResetCommandPool(device_->handle(), pool_, 0), "resetting a command pool");
  for (const VkDescriptorPool sets : sets_) vkResetDescriptorPool(device_->handle(), sets, 0);
  sets_used_ = 0;
  destroy_views();
  size_ = 0;
  const VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, nullptr,
                                      VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT, nullptr};
  device_->check(vkBeginCommandBuffer(commands_, &info), "beginning a command buffer");
  barrier(commands_, kWork, kReads | kWrites);
  read_.clear();
  written_.clear();
}

void Recording::end() {
  barrier(commands_, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT);
  device_->check(vkEndCommandBuffer(commands_), "ending a command buffer");
}

bool Recording::overlaps(const std::vector<Range>& ranges, const Range& range) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& other) {
    return other.buffer == range.buffer && other.begin < range.end && range.begin < other.end;
  });
}

void Recording::wait_for(std::span<const Operand> operands) {
  const auto range_of = [](const Operand& operand) {
    const Place& place = operand.place;
    return Range{place.buffer, place.offset, place.offset + place.bytes};
  };
  const bool hazard = std::any_of(operands.begin(), operands.end(), [&](const Operand& operand) {
    const Range range = range_of(operand);
    return overlaps(written_, range) || (operand.writes && overlaps(read_, range));
  });
  if (hazard) {
    barrier(commands_, kWork, kReads | kWrites);
    read_.clear();
    written_.clear();
  }
  for (const Operand& operand : operands) {
    if (operand.place.bytes == 0) continue;
    if (operand.reads) read_.push_back(range_of(operand));
    if (operand.writes) written_.push_back(range_of(operand));
  }
}

VkDescriptorSet Recording::allocate_set(const Dispatch& dispatch) {
  const VkDevice handle = device_->handle();
  const std::size_t pool = sets_used_++ / kSetsOfAPool;
  if (pool == sets_.size()) {
    const std::array sizes{
        VkDescriptorPoolSize{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kSetsOfAPool * Dispatch::kMostOperands},
        VkDescriptorPoolSize{VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, kSetsOfAPool * Dispatch::kMostTexels}};
    const VkDescriptorPoolCreateInfo info{
        VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, nullptr, 0, kSetsOfAPool, sizes.size(), sizes.data()};
    VkDescriptorPool made = VK_NULL_HANDLE;
    device_->check(vkCreateDescriptorPool(handle, &info, nullptr, &made), "making a descriptor pool");
    sets_.push_back(made);
  }
  const VkDescriptorSetAllocateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, nullptr, sets_[pool],
                                         1, &pipelines_->layout(dispatch).set};
  VkDescriptorSet set = VK_NULL_HANDLE;
  device_->check(vkAllocateDescriptorSets(handle, &info, &set), "making a descriptor set");
  return set;
}

VkBufferView Recording::view_of(const VkDescriptorBufferInfo& range, VkFormat format) {
  const VkBufferViewCreateInfo info{.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
                                    .pNext = nullptr,
                                    .flags = 0,
                                    .buffer = range.buffer,
                                    .format = format,
                                    .offset = range.offset,
                                    .range = range.range / texel_bytes(format) * texel_bytes(format)};
  VkBufferView view = VK_NULL_HANDLE;
  device_->check(vkCreateBufferView(device_->handle(), &info, nullptr, &view), "making a view of a buffer");
  views_.push_back(view);
  return view;
}

void Recording::destroy_views() {
  for (const VkBufferView view : views_) vkDestroyBufferView(device_->handle(), view, nullptr);
  views_.clear();
}

void Recording::add(const Dispatch& dispatch) {
  const std::span<const Operand> operands(dispatch.operands.data(), dispatch.operand_count);
  const bool writes = std::any_of(operands.begin(), operands.end(), [](const Operand& operand) {
    return operand.writes && operand.place.bytes > 0;
  });
  if (dispatch.groups == 0 || !writes) return;
  const VkPipeline pipeline = pipelines_->pipeline(dispatch);
  const VkDescriptorSet set = allocate_set(dispatch);
  wait_for(operands);

  // An absent operand is bound too, since shaders name it: one that would be read to memory that nobody
  // writes, one that would be written to an operand that is.
  const Buffer& nothing = pipelines_->nothing();
  const VkDescriptorBufferInfo unread{nothing.handle(), 0, nothing.bytes()};
  VkDescriptorBufferInfo unwritten = unread;
  std::array<VkDescriptorBufferInfo, Dispatch::kMostOperands> buffers{};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Place& place = operands[i].place;
    if (place.bytes == 0) continue;
    buffers[i] = {place.buffer->handle(), place.offset, place.bytes};
    if (operands[i].writes) unwritten = buffers[i];
  }
  for (std::size_t i = 0; i < operands.size(); ++i)
    if (operands[i].place.bytes == 0) buffers[i] = operands[i].writes ? unwritten : unread;
  std::array<VkBufferView, Dispatch::kMostTexels> views{};
  for (std::size_t i = 0; i < dispatch.texel_count; ++i) views[i] = view_of(buffers[i], operands[i].texels);
  const auto texels = static_cast<std::uint32_t>(dispatch.texel_count);
  VkWriteDescriptorSet writes_storage{.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
  writes_storage.dstSet = set;
  writes_storage.dstBinding = texels;
  writes_storage.descriptorCount = static_cast<std::uint32_t>(operands.size()) - texels;
  writes_storage.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
  writes_storage.pBufferInfo = buffers.data() + texels;
  VkWriteDescriptorSet writes_texels{.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
  writes_texels.dstSet = set;
  writes_texels.descriptorCount = texels;
  writes_texels.descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
  writes_texels.pTexelBufferView = views.data();
  const std::array bound{writes_storage, writes_texels};
  vkUpdateDescriptorSets(device_->handle(), texels > 0 ? 2 : 1, bound.data(), 0, nullptr);

  const VkPipelineLayout layout = pipelines_->layout(dispatch).pipeline;
  vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  vkCmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set, 0, nullptr);
  vkCmdPushConstants(commands_, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, dispatch.push_bytes,
                     dispatch.push.data());
  // Shaders number their groups along x first, and those beyond the last leave at once.
  const std::uint64_t most = device_->limits().maxComputeWorkGroupCount[0];
  const std::uint64_t rows = (dispatch.groups + most - 1) / most;
  const std::uint64_t columns = (dispatch.groups + rows - 1) / rows;
  if (rows > device_->limits().maxComputeWorkGroupCount[1])
    throw Error("{}: kernel {} needs {} workgroups, and the device has {} x {}; use a smaller batch",
                device_->id(), dispatch.kernel, dispatch.groups, most,
                device_->limits().maxComputeWorkGroupCount[1]);
  vkCmdDispatch(commands_, static_cast<std::uint32_t>(columns), static_cast<std::uint32_t>(rows), 1);
  if (size_++ == 0) first_ = dispatch.kernel;
  last_ = dispatch.kernel;
}

void Recording::copy(const Place& from, const Place& to) {
  const std::array operands{in(from), out(to)};
  wait_for(operands);
  const VkBufferCopy region{from.offset, to.offset, to.bytes};
  vkCmdCopyBuffer(commands_, from.buffer->handle(), to.buffer->handle(), 1, &region);
  if (size_++ == 0) first_ = "copy";
  last_ = "copy";
}

std::string Recording::contents() const {
  return size_ == 1 ? std::string(first_) : fmt::format("{} kernels, from {} to {}", size_, first_, last_);
}

}  // namespace tapeline::vulkan
