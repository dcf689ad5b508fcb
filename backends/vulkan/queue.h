#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "backends/vulkan/recording.h"

namespace tapeline::vulkan {

/// Work in the order of submission. Kernels gather in an open recording, which goes to the device when it is
/// long enough or somebody waits.
class Queue {
 public:
  Queue(std::shared_ptr<LogicalDevice> device, std::shared_ptr<Pipelines> pipelines)
      : device_(std::move(device)), pipelines_(std::move(pipelines)) {}
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  /// The recording that is open; what is added comes after all that was before.
  Recording& open();
  /// Sends the open recording off where it is long.
  void added();
  /// Sends the open recording off, if there is one.
  void flush();
  /// Submits a finished recording, after all that was before.
  void submit(const std::shared_ptr<Recording>& recording);
  /// Waits until all is done. Throws when the device is lost or does not answer.
  void wait();
  /// Nothing is recorded and nothing under way.
  bool idle();

  std::size_t submissions() const { return submissions_; }

 private:
  struct Submission {
    std::shared_ptr<Recording> recording;
    VkFence fence;
    bool eager;
  };
  void retire(const Submission& done);
  void submit(const std::shared_ptr<Recording>& recording, bool eager);

  std::shared_ptr<LogicalDevice> device_;
  std::shared_ptr<Pipelines> pipelines_;
  std::shared_ptr<Recording> open_;
  std::deque<Submission> under_way_;
  std::vector<std::shared_ptr<Recording>> spare_;
  std::vector<VkFence> fences_;
  std::size_t submissions_ = 0;
};

}  // namespace tapeline::vulkan
