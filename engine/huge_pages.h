#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace tapeline {

/// Uninitialised memory, aligned to 64 bytes; from 2 MiB on it begins at a multiple of that, and the system
/// is asked for huge pages, which are cleared and found again much faster. Null when there is no more; to be
/// given back with std::free().
void* allocate_pages(std::size_t bytes);

/// Of a std::unique_ptr that owns such memory.
struct FreePages {
  void operator()(void* memory) const { std::free(memory); }
};

}  // namespace tapeline
