#pragma once

// Memory that lives as long as a constant does, for what is made of its values: weights packed for a product,
// say, are packed by the first kernel that needs them, and found by all later ones.

#include <cstdint>

#include "engine/storage.h"

namespace tapeline::cpu {

/// What the memory is for. Each use of a constant has a memory of its own.
enum class KeptFor : std::uint8_t { lstm_forward, lstm_backward };

struct Kept {
  float* values = nullptr;  // null where the view is not of a constant
  bool fresh = false;       // made by this call: to be filled
};

/// Aligned to 64 bytes. To be asked for outside parallel_for, and always with the same number of floats.
Kept keep(const View& constant, KeptFor use, std::int64_t floats);

}  // namespace tapeline::cpu
