#include "engine/ops/window.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/ops/check.h"

namespace tapeline {

WindowExtent window_extent(const char* op, const char* axis, std::int64_t input, int size, int stride,
                           int dilation, const AxisPadding& padding) {
  if (size < 1 || stride < 1 || dilation < 1)
    throw Error("{}: {}: window size {}, stride {} and dilation {} must all be at least 1", op, axis, size,
                stride, dilation);
  if (padding.before < 0 || padding.after < 0)
    throw Error("{}: {}: padding {} before and {} after must not be negative; use slice() to crop", op, axis,
                padding.before, padding.after);
  const std::int64_t span = std::int64_t{size - 1} * dilation + 1;
  std::int64_t output = 0, leading = 0;
  if (padding.kind == PaddingKind::same) {
    output = (input + stride - 1) / stride;
    leading = output == 0 ? 0 : std::max<std::int64_t>((output - 1) * stride + span - input, 0) / 2;
  } else {
    const bool given = padding.kind == PaddingKind::explicit_;
    const std::int64_t padded = input + (given ? std::int64_t{padding.before} + padding.after : 0);
    if (span > padded)
      throw Error(
          "{}: {}: a window of {} elements (size {}, dilation {}) does not fit on {} elements, {} with "
          "padding; "
          "make the input larger, the window smaller, or pad with SAME",
          op, axis, span, size, dilation, input, padded);
    output = (padded - span) / stride + 1;
    leading = given ? padding.before : 0;
  }
  return {checked_int(op, "extent of the output", output), checked_int(op, "padding", leading)};
}

}  // namespace tapeline
