// A warp for each row.

#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/log_sum_exp.h"

namespace tapeline::cuda {
namespace {

constexpr int kWarps = kThreads / 32;

__device__ std::int64_t first_row() {
  return static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
}
__device__ std::int64_t row_stride() { return static_cast<std::int64_t>(gridDim.x) * kWarps; }

template <typename T>
__global__ void forward(std::int64_t rows, int classes, const T* input, T* output) {
  for (std::int64_t row = first_row(); row < rows; row += row_stride()) {
    const T* x = input + row * classes;
    const LogSum<T> total = log_sum_exp(x, classes);
    for (int c = threadIdx.x % 32; c < classes; c += 32) output[row * classes + c] = total.from(x[c]);
  }
}

template <typename T>
__global__ void backward(std::int64_t rows, int classes, const T* output, const T* grad_output,
                         T* grad_input) {
  for (std::int64_t row = first_row(); row < rows; row += row_stride()) {
    const T* grad = grad_output + row * classes;
    T sum = 0;
    for (int c = threadIdx.x % 32; c < classes; c += 32) sum += grad[c];
    sum = warp_sum(sum);
    for (int c = threadIdx.x % 32; c < classes; c += 32)
      grad_input[row * classes + c] = grad[c] - exp(output[row * classes + c]) * sum;
  }
}

struct Rows {
  std::int64_t count;
  int classes;
  explicit Rows(const View& view)
      : count(view.elements() == 0 ? 0 : view.elements() / view.shape[-1]),
        classes(static_cast<int>(view.shape[-1])) {}
};

template <typename... Parameters, typename... Arguments>
void launch_rows(Context& context, const Rows& rows, void (*kernel)(Parameters...),
                 Arguments&&... arguments) {
  if (rows.count == 0) return;
  const std::int64_t blocks =
      std::min<std::int64_t>(divide_up(rows.count, kWarps), 16LL * context.multiprocessors);
  launch(context, kernel, static_cast<unsigned>(blocks), kThreads, 0, rows.count, rows.classes,
         std::forward<Arguments>(arguments)...);
}

}  // namespace

void run(const LogSoftmaxForward& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    launch_rows(context, Rows(k.input), forward<T>, k.input.data<T>(), k.output.data<T>());
  });
}

void run(const LogSoftmaxBackward& k, Context& context) {
  with_float(k.output.dtype, [&]<typename T>() {
    launch_rows(context, Rows(k.output), backward<T>, k.output.data<T>(), k.grad_output.data<T>(),
                k.grad_input.data<T>());
  });
}

}  // namespace tapeline::cuda
