#include "backends/vulkan/queue.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>

#include "engine/error.h"

namespace tapeline::vulkan {
namespace {

constexpr std::size_t kFewTogether = 4, kMostTogether = 32;  // kernels
constexpr std::size_t kMostUnderWay = 8;                     // eager submissions
constexpr int kPatience = 120;                               // seconds without an answer
constexpr int kLastPatience = 5;                             // after that, at the end

std::atomic<bool> left_at_work{false};

}  // namespace

double longest_submission() {
  constexpr double kSeconds = 0.5;
  const char* text = std::getenv("TAPELINE_VULKAN_SUBMIT_MS");
  if (!text || !*text) return kSeconds;
  char* end = nullptr;
  const double ms = std::strtod(text, &end);
  if (*end || !(ms >= 0))
    throw Error("TAPELINE_VULKAN_SUBMIT_MS={}: give a number of milliseconds, 0 for no limit", text);
  return ms > 0 ? ms / 1e3 : std::numeric_limits<double>::infinity();
}

Queue::Queue(std::shared_ptr<LogicalDevice> device, std::shared_ptr<Pipelines> pipelines)
    : device_(std::move(device)),
      pipelines_(std::move(pipelines)),
      longest_(longest_submission()),
      kernels_together_(kFewTogether) {}

Queue::~Queue() {
  if (device_->given_up()) {
    // The device may still be using these, or never come back to them: they are left to the process's end,
    // where threads of a driver that are still at work would meet libraries that are gone.
    for (const Submission& submission : under_way_) {
      if (wait_for(submission.fence, kLastPatience) == VK_TIMEOUT) left_at_work = true;
      static_cast<void>(new std::shared_ptr<Recording>(submission.recording));
    }
    return;
  }
  vkDeviceWaitIdle(device_->handle());
  for (const Submission& submission : under_way_)
    vkDestroyFence(device_->handle(), submission.fence, nullptr);
  for (const VkFence fence : fences_) vkDestroyFence(device_->handle(), fence, nullptr);
}

bool Queue::any_left_at_work() { return left_at_work; }

Recording& Queue::open() {
  check_alive();
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
  if (open_ && open_->size() >= kernels_together_) flush();
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
  check_alive();
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
  under_way_.push_back({recording, fence, eager, Clock::now()});
  const VkCommandBuffer commands = recording->handle();
  VkSubmitInfo info{.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  const VkResult result = vkQueueSubmit(device_->queue(), 1, &info, fence);
  if (result != VK_SUCCESS) {
    under_way_.pop_back();
    vkDestroyFence(device_->handle(), fence, nullptr);
    check(result, "submitting", *recording);
  }
  ++submissions_;
}

// Takes a copy: the submission leaves its place.
void Queue::retire(const Submission& oldest) {
  const Submission done = oldest;
  check(wait_for(done.fence, kPatience), "waiting for", *done.recording);
  under_way_.pop_front();
  vkResetFences(device_->handle(), 1, &done.fence);
  fences_.push_back(done.fence);
  const Clock::time_point now = Clock::now(), begin = std::max(done.begin, std::exchange(last_done_, now));
  if (!done.eager) return;
  keep_pace(std::chrono::duration<double>(now - begin).count(), done.recording->size());
  spare_.push_back(done.recording);
}

// A second at a time: a program that is stopped for a while, with its machine perhaps, loses one of them.
VkResult Queue::wait_for(VkFence fence, int patience) const {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  VkResult result = VK_TIMEOUT;
  for (int i = 0; i < patience && result == VK_TIMEOUT; ++i)
    result = vkWaitForFences(device_->handle(), 1, &fence, VK_TRUE, kSecond);
  return result;
}

// Seen late, work seems to take longer than it did: then less goes together for a while.
void Queue::keep_pace(double seconds, std::size_t kernels) {
  if (seconds > longest_)
    kernels_together_ = std::max<std::size_t>(kernels_together_ / 2, 1);
  else if (seconds < longest_ / 4 && kernels >= kernels_together_)
    kernels_together_ = std::min(2 * kernels_together_, kMostTogether);
}

void Queue::wait() {
  check_alive();
  flush();
  if (!under_way_.empty()) ++waits_;
  while (!under_way_.empty()) retire(under_way_.front());
}

bool Queue::idle() {
  check_alive();
  while (!under_way_.empty() && vkGetFenceStatus(device_->handle(), under_way_.front().fence) == VK_SUCCESS)
    retire(under_way_.front());
  return !open_ && under_way_.empty();
}

void Queue::check(VkResult result, std::string_view doing, const Recording& recording) {
  if (result == VK_SUCCESS) return;
  if (result == VK_TIMEOUT) device_->give_up();
  try {
    device_->check(result, fmt::format("{} {}", doing, recording.contents()));
  } catch (const Error& error) {
    failure_ = error.what();
    throw;
  }
}

void Queue::check_alive() const {
  if (!failure_.empty()) throw Error("{}", failure_);
}

}  // namespace tapeline::vulkan
