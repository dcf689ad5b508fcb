// Sizes are rounded up to 4, 5, 6 or 7 times a power of two, so at most a fifth is wasted. Used and free
// memory together stay below twice the most that was ever in use, and a little.

#include "backends/cpu/block_cache.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <fstream>
#include <new>

#include "engine/error.h"
#include "engine/huge_pages.h"

#include <unistd.h>

namespace tapeline::cpu {
namespace {

constexpr std::size_t kAlignment = 64, kLittle = std::size_t{64} << 20;

std::size_t size_class(std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 4 * kAlignment);
  const std::size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

}  // namespace

std::size_t machine_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  std::size_t memory =
      pages > 0 && page > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page) : 0;
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
    if (std::size_t limit = 0; std::ifstream(path) >> limit && limit > 0)
      memory = memory == 0 ? limit : std::min(memory, limit);
  return memory;
}

CachedBlock::CachedBlock(std::shared_ptr<BlockCache> cache, void* memory, std::size_t size)
    : cache_(std::move(cache)) {
  address = reinterpret_cast<std::uint64_t>(memory);
  bytes = size;
}

CachedBlock::~CachedBlock() { cache_->give_back(reinterpret_cast<void*>(address), bytes); }

KeptCopy CachedBlock::copy(const CopyKey& key, std::int64_t floats) {
  const auto found = std::ranges::find(copies_, key, &Copy::key);
  if (found == copies_.end()) {
    copies_.push_back({key, nullptr});
    return {};
  }
  const bool filled = found->memory != nullptr;
  if (!filled) found->memory = cache_->allocate(static_cast<std::size_t>(floats) * sizeof(float));
  return {reinterpret_cast<float*>(found->memory->address), filled};
}

KeptCopy kept_copy(const View& view, std::int64_t form, std::int64_t rows, std::int64_t columns,
                   std::int64_t floats) {
  CachedBlock* block = cached_block(*view.storage);
  if (!block) return {};
  return block->copy({static_cast<std::int64_t>(view.storage->offset + view.offset), form, rows, columns},
                     floats);
}

BlockCache::~BlockCache() { trim(); }

std::shared_ptr<Block> BlockCache::allocate(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  if (limit_ > 0 && (bytes > limit_ || used_ > limit_ - bytes))
    throw OutOfMemory("cpu", bytes, limit_ - std::min(used_, limit_), limit_);
  const std::size_t size = size_class(bytes);
  void* memory = nullptr;
  if (auto& list = free_[size]; !list.empty()) {
    memory = list.back();
    list.pop_back();
    cached_ -= size;
  } else {
    if (limit_ > 0 && used_ + cached_ + size > limit_) trim();
    memory = allocate_pages(size);
    if (!memory) {
      trim();
      memory = allocate_pages(size);
    }
    if (!memory) throw OutOfMemory("cpu", bytes, 0, used_);
  }
  used_ += size;
  most_used_ = std::max(most_used_, used_);
  return std::make_shared<CachedBlock>(shared_from_this(), memory, size);
}

void BlockCache::give_back(void* memory, std::size_t size) {
  const std::scoped_lock lock(mutex_);
  used_ -= size;
  if (used_ + cached_ + size > 2 * most_used_ + kLittle) {
    std::free(memory);
    return;
  }
  try {
    free_[size].push_back(memory);
    cached_ += size;
  } catch (const std::bad_alloc&) {  // called by destructors
    std::free(memory);
  }
}

void BlockCache::trim() {
  for (auto& [size, list] : free_)
    for (void* memory : list) std::free(memory);
  free_.clear();
  cached_ = 0;
}

}  // namespace tapeline::cpu
