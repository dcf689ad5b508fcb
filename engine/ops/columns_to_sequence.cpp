#include "engine/ops/columns_to_sequence.h"

#include "engine/ops/check.h"
#include "engine/ops/permute.h"
#include "engine/ops/reshape.h"

namespace tapeline {

Tensor columns_to_sequence(const Tensor& x) {
  check_defined("columns_to_sequence", "x", x);
  check_rank("columns_to_sequence", "x", x, 4, "[N, H, W, C]");
  const Shape sequence{x.extent(0), x.extent(2), x.extent(1) * x.extent(3)};
  return reshape(x.extent(1) == 1 ? x : permute(x, {0, 2, 1, 3}), sequence);
}

}  // namespace tapeline
