#include "backends/cpu/scratch.h"

#include <cstdlib>

#include "backends/cpu/thread_pool.h"
#include "engine/error.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace tapeline::cpu {
namespace {

constexpr std::size_t kAlignment = 64, kHugePage = std::size_t{2} << 20;

/// In pages of 2 MiB where it is large.
std::byte* allocate(std::size_t bytes) {
  const std::size_t alignment = bytes < kHugePage ? kAlignment : kHugePage;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
#if defined(__linux__)
  if (memory && alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
  return memory;
}

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
    buffer.memory.reset(allocate(bytes + 1));
    if (!buffer.memory)
      throw Error("cpu: no memory for {} bytes of working space; use a smaller batch", bytes);
    buffer.bytes = bytes;
  }
  return buffer.memory.get();
}

}  // namespace tapeline::cpu
