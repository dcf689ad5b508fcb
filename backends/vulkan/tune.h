#pragma once

#include "backends/vulkan/queue.h"
#include "engine/tuning.h"

namespace tapeline::vulkan {

/// What a device is measured with.
struct Bench {
  std::shared_ptr<Backend> backend;  // whose memory kernels take
  std::shared_ptr<LogicalDevice> device;
  std::shared_ptr<Memory> memory;
  std::shared_ptr<Pipelines> pipelines;
  std::shared_ptr<Queue> queue;
};

/// Runs a kernel of each class of tasks with each variant that does it, and keeps the fastest of each
/// (variants.h). The first candidate stays where no other is faster by a twentieth.
std::vector<TunedKernel> tune(const Bench& bench);

}  // namespace tapeline::vulkan
