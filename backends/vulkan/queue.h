#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "backends/vulkan/recording.h"

namespace tapeline::vulkan {

/// How many seconds one submission may take: half a second, or what TAPELINE_VULKAN_SUBMIT_MS says, in
/// thousandths; 0 sets no limit.
double longest_submission();

/// Work in the order of submission. Kernels gather in an open recording, which goes to the device when it is
/// long enough or somebody waits. How many kernels that is follows from how long those before took: operating
/// systems take a device away from who keeps it busy for seconds. What once failed fails from then on.
class Queue {
 public:
  Queue(std::shared_ptr<LogicalDevice> device, std::shared_ptr<Pipelines> pipelines);
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

  /// Whether a device that hung was still at work when its queue was taken down.
  static bool any_left_at_work();

  /// How often work went to the device, and how often the host waited for it.
  std::int64_t submissions() const { return submissions_; }
  std::int64_t waits() const { return waits_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Submission {
    std::shared_ptr<Recording> recording;
    VkFence fence;
    bool eager;
    Clock::time_point begin;
  };
  void retire(const Submission& done);
  void submit(const std::shared_ptr<Recording>& recording, bool eager);
  VkResult wait_for(VkFence fence, int seconds) const;
  void keep_pace(double seconds, std::size_t kernels);
  /// Throws unless it is VK_SUCCESS, and then whenever more is asked.
  void check(VkResult result, std::string_view doing, const Recording& recording);
  void check_alive() const;

  std::shared_ptr<LogicalDevice> device_;
  std::shared_ptr<Pipelines> pipelines_;
  std::shared_ptr<Recording> open_;
  std::deque<Submission> under_way_;
  std::vector<std::shared_ptr<Recording>> spare_;
  std::vector<VkFence> fences_;
  std::int64_t submissions_ = 0, waits_ = 0;
  double longest_;  // seconds of one submission
  std::size_t kernels_together_;
  Clock::time_point last_done_ = Clock::now();
  std::string failure_;
};

}  // namespace tapeline::vulkan
