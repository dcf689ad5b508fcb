#pragma once

// Constant weights in the layout that a kernel wants, packed once and kept with the tensor until it changes.

#include "engine/storage.h"

namespace tapeline::cpu {

struct KeptCopy {
  float* data = nullptr;  // null: use working memory, for nothing says yet that the contents are constant
  bool filled = false;    // with what was written there when it was new
};

/// Memory for `floats` floats made of what `view` holds, in a layout that `form`, `rows` and `columns` tell
/// from every other. There is none when it is asked for the first time since the contents changed: weights
/// that are used once between two changes, as in training, are not held twice.
KeptCopy kept_copy(const View& view, std::int64_t form, std::int64_t rows, std::int64_t columns,
                   std::int64_t floats);

}  // namespace tapeline::cpu
