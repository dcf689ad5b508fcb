#include "engine/huge_pages.h"

#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace tapeline {

namespace {

constexpr std::size_t kAlignment = 64, kHugePage = std::size_t{2} << 20;

std::size_t round_up(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

void* allocate_pages(std::size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  if (bytes < kHugePage) return std::aligned_alloc(kAlignment, round_up(bytes, kAlignment));
  void* memory = std::aligned_alloc(kHugePage, round_up(bytes, kHugePage));
#if defined(__linux__)
  if (memory) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace tapeline
