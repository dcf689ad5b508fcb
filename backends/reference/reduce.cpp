#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backends/reference/dispatch.h"
#include "backends/reference/index.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {

void run(const Reduce& k) {
  if (k.output.elements() == 0) return;
  with_float(k.output.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    const bool maximum = k.kind == ReduceKind::maximum;
    std::vector<double> results(static_cast<std::size_t>(k.output.elements()),
                                maximum ? -std::numeric_limits<double>::infinity() : 0);
    for (std::int64_t i = 0, end = k.input.elements(); i < end; ++i) {
      double& result = results[broadcast_index(i, k.input.shape, k.output.shape)];
      if (!maximum)
        result += input[i];
      else if (input[i] > result || std::isnan(input[i]))
        result = input[i];
    }
    if (k.kind == ReduceKind::mean)
      for (double& result : results) result /= static_cast<double>(k.input.elements() / k.output.elements());
    std::copy(results.begin(), results.end(), k.output.data<T>());
  });
}

}  // namespace tapeline::reference
