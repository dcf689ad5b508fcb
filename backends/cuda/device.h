#pragma once

#include <cstddef>
#include <string>

#include "engine/backend.h"

namespace tapeline::cuda {

/// A card that this program can use, and what its kernels want to know of it.
struct Card {
  int device = 0;
  std::string name;
  std::size_t memory = 0, shared_limit = 0;  // bytes; the latter of a block
  int major = 0, minor = 0;                  // compute capability
  int multiprocessors = 0;
  bool cooperative = false;
  double peak_flops = 0, peak_bytes = 0;
};

/// Makes it the current device of this thread. Throws where it cannot be used, and says why.
Card open_card(int device);

}  // namespace tapeline::cuda
