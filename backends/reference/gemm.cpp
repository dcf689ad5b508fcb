#include "backends/reference/activation.h"
#include "backends/reference/dispatch.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {

void run(const Gemm& k) {
  with_float(k.c.dtype, [&]<typename T>() {
    const T* a = k.a.data<T>();
    const T* b = k.b.data<T>();
    const T* bias = data_or_null<T>(k.bias);
    T* c = k.c.data<T>();
    for (std::int64_t row = 0; row < k.rows; ++row)
      for (std::int64_t column = 0; column < k.columns; ++column) {
        double sum = 0;
        for (std::int64_t i = 0; i < k.inner; ++i)
          sum += double{a[k.transpose_a ? i * k.rows + row : row * k.inner + i]} *
                 b[k.transpose_b ? column * k.inner + i : i * k.columns + column];
        T& result = c[row * k.columns + column];
        if (bias) sum += bias[column];
        if (k.accumulate) sum += result;
        result = activate(k.activation, static_cast<T>(sum));
      }
  });
}

}  // namespace tapeline::reference
