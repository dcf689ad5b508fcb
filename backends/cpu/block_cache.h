#pragma once

// Host memory that is kept for the next tensor of about its size, so that a training step after the first
// neither asks the system for memory nor pays for page faults.

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/storage.h"

namespace tapeline::cpu {

/// Memory of the machine, or of the process's control group if that is less, in bytes; 0 where unknown.
std::size_t machine_memory();

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
