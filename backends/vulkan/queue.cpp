#include "backends/vulkan/queue.h"

#include "engine/error.h"

namespace tapeline::vulkan {
namespace {

constexpr std::size_t kLong = 32;                                        // kernels
constexpr std::size_t kMostUnderWay = 8;                                 // eager submissions
constexpr std::uint64_t kPatience = std::uint64_t{120} * 1'000'000'000;  // nanoseconds without an answer

}  // namespace

Queue::~Queue() {
  vkDeviceWaitIdle(device_->handle());
  for (const Submission& submission : under_way_)
    vkDestroyFence(device_->handle(), submission.fence, nullptr);
  for (const VkFence fence : fences_) vkDestroyFence(device_->handle(), fence, nullptr);
}

Recording& Queue::open() {
  if (!open_) {
    if (spare_.empty()) {
      open_ = std::make_shared<Recording>(device_, pipelines_);
    } else {
      open_ = std::move(spare_.back());
      spare_.pop_back();
    }
    open_->begin();
  }
  return *open_;
}

void Queue::added() {
  if (open_ && open_->size() >= kLong) flush();
}

void Queue::flush() {
  if (!open_) return;
  open_->end();
  submit(std::exchange(open_, nullptr), true);
}

void Queue::submit(const std::shared_ptr<Recording>& recording) {
  flush();
  submit(recording, false);
}

void Queue::submit(const std::shared_ptr<Recording>& recording, bool eager) {
  while (!under_way_.empty() && (under_way_.size() >= kMostUnderWay ||
                                 vkGetFenceStatus(device_->handle(), under_way_.front().fence) == VK_SUCCESS))
    retire(under_way_.front());
  VkFence fence = VK_NULL_HANDLE;
  if (fences_.empty()) {
    const VkFenceCreateInfo info{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, nullptr, 0};
    device_->check(vkCreateFence(device_->handle(), &info, nullptr, &fence), "making a fence");
  } else {
    fence = fences_.back();
    fences_.pop_back();
  }
  under_way_.push_back({recording, fence, eager});
  const VkCommandBuffer commands = recording->handle();
  VkSubmitInfo info{.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  const VkResult result = vkQueueSubmit(device_->queue(), 1, &info, fence);
  if (result != VK_SUCCESS) {
    under_way_.pop_back();
    vkDestroyFence(device_->handle(), fence, nullptr);
    device_->check(result, fmt::format("submitting {}", recording->contents()));
  }
  ++submissions_;
}

// Takes a copy: the submission leaves its place.
void Queue::retire(const Submission& oldest) {
  const Submission done = oldest;
  const VkResult result = vkWaitForFences(device_->handle(), 1, &done.fence, VK_TRUE, kPatience);
  device_->check(result, fmt::format("waiting for {}", done.recording->contents()));
  under_way_.pop_front();
  vkResetFences(device_->handle(), 1, &done.fence);
  fences_.push_back(done.fence);
  if (done.eager) spare_.push_back(done.recording);
}

void Queue::wait() {
  flush();
  while (!under_way_.empty()) retire(under_way_.front());
}

bool Queue::idle() {
  while (!under_way_.empty() && vkGetFenceStatus(device_->handle(), under_way_.front().fence) == VK_SUCCESS)
    retire(under_way_.front());
  return !open_ && under_way_.empty();
}

}  // namespace tapeline::vulkan
