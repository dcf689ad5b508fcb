#pragma once

// Host memory that is kept for the next tensor of about its size, so that a training step after the first
// neither asks the system for memory nor pays for page faults. With a block go copies of its contents in the
// layouts that kernels want, so that constant weights are packed once.

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/cpu/kept_copy.h"
#include "engine/storage.h"

namespace tapeline::cpu {

/// Memory of the machine, or of the process's control group if that is less, in bytes; 0 where unknown.
std::size_t machine_memory();

/// What a copy is of: where in the block, and which layout of which shape.
using CopyKey = std::array<std::int64_t, 4>;

class BlockCache;

class CachedBlock : public Block {
 public:
  CachedBlock(std::shared_ptr<BlockCache> cache, void* memory, std::size_t size);
  ~CachedBlock() override;

  /// See kept_copy().
  KeptCopy copy(const CopyKey& key, std::int64_t floats);
  /// To be called when the block has been written to.
  void contents_changed() {
    if (!copies_.empty()) copies_.clear();
  }

 private:
  struct Copy {
    CopyKey key;
    std::shared_ptr<Block> memory;
  };
  std::shared_ptr<BlockCache> cache_;
  std::vector<Copy> copies_;
};

/// The block of a view, if it is one of these.
inline CachedBlock* cached_block(const Storage& storage) {
  return dynamic_cast<CachedBlock*>(storage.block.get());
}

class BlockCache : public std::enable_shared_from_this<BlockCache> {
 public:
  ~BlockCache();
  /// A block of at least this many bytes, aligned to 64, in pages of 2 MiB where it is large. It comes back
  /// here when it dies. Throws when there is not so much memory.
  std::shared_ptr<Block> allocate(std::size_t bytes);

 private:
  friend class CachedBlock;
  void give_back(void* memory, std::size_t size);
  void trim();

  std::mutex mutex_;  // a block may die on any thread
  std::map<std::size_t, std::vector<void*>> free_;
  std::size_t used_ = 0, most_used_ = 0, cached_ = 0;
  const std::size_t limit_ = machine_memory();
};

}  // namespace tapeline::cpu
