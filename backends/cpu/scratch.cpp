#include "backends/cpu/scratch.h"

#include <cstdlib>

#include "backends/cpu/thread_pool.h"
#include "engine/error.h"

namespace tapeline::cpu {
namespace {

constexpr std::size_t kAlignment = 64;

void release(std::byte* memory) { std::free(memory); }

}  // namespace

Scratch::Scratch(int threads) {
  for (int i = 0; i < (threads + 1) * kSlots; ++i) buffers_.push_back({{nullptr, release}, 0});
}

void* Scratch::shared(int slot, std::size_t bytes) { return take(0, slot, bytes); }

void* Scratch::local(int slot, std::size_t bytes) {
  return take(static_cast<std::size_t>(ThreadPool::thread_index()) + 1, slot, bytes);
}

void* Scratch::take(std::size_t owner, int slot, std::size_t bytes) {
  Buffer& buffer = buffers_[owner * kSlots + static_cast<std::size_t>(slot)];
  if (buffer.bytes < bytes || !buffer.memory) {
    buffer.bytes = 0;
    buffer.memory.reset();
    const std::size_t rounded = (bytes + kAlignment) / kAlignment * kAlignment;
    buffer.memory.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)));
    if (!buffer.memory)
      throw Error("cpu: no memory for {} bytes of working space; use a smaller batch", rounded);
    buffer.bytes = rounded;
  }
  return buffer.memory.get();
}

}  // namespace tapeline::cpu
