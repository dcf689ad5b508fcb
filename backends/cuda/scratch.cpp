#include <algorithm>

#include "backends/cuda/context.h"
#include "backends/cuda/errors.h"
#include "engine/error.h"

namespace tapeline::cuda {

Scratch::~Scratch() {
  for (void* chunk : chunks_) cudaFree(chunk);
}

void* Scratch::take(std::size_t bytes) {
  constexpr std::size_t kAlign = 256, kLeast = std::size_t{1} << 20;
  bytes = (bytes + kAlign - 1) / kAlign * kAlign;
  if (chunks_.empty() || used_ + bytes > capacity_) {
    // cudaMalloc, and not from the stream's pool: it may be called while the stream is being captured.
    const std::size_t capacity = std::max({2 * capacity_, bytes, kLeast});
    void* chunk = nullptr;
    if (cudaMalloc(&chunk, capacity) == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      std::size_t free = 0, total = 0;
      cudaMemGetInfo(&free, &total);
      throw OutOfMemory("working space of a kernel", capacity, free, total);
    }
    chunks_.push_back(chunk);
    capacity_ = capacity;
    used_ = 0;
  }
  void* taken = static_cast<std::byte*>(chunks_.back()) + used_;
  used_ += bytes;
  return taken;
}

}  // namespace tapeline::cuda
