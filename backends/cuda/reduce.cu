// Each output is made by several threads, which go through its inputs in turns and put their results together
// in a fixed order; and where there are few outputs and many inputs to each, by several blocks, whose results
// a second launch puts together. Neighbouring threads read neighbouring inputs: those of neighbouring outputs
// where the innermost axis stays, those of one output where it is reduced.

#include <cmath>

#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/strides.h"

namespace tapeline::cuda {
namespace {

template <typename T>
__device__ double combine(ReduceKind kind, double result, T value) {
  if (kind != ReduceKind::maximum) return result + value;
  return value > result || isnan(value) ? value : result;
}

// The first `reducers` of neighbouring threads that share an output are next to each other (kInner), or a row
// of kThreads / reducers threads apart.
template <typename T, bool kInner>
__global__ void reduce(ReduceKind kind, std::int64_t outputs, std::int64_t inputs_each, int reducers,
                       Strides<1> kept, Strides<1> reduced, const T* input, double* partial) {
  __shared__ double results[kThreads];
  const int at_once = kThreads / reducers;
  const int thread = static_cast<int>(threadIdx.x);
  const int mine = kInner ? thread / reducers : thread % at_once,
            reducer = kInner ? thread % reducers : thread / at_once;
  const std::int64_t output = static_cast<std::int64_t>(blockIdx.x) * at_once + mine;
  const int parts = static_cast<int>(gridDim.y), part = static_cast<int>(blockIdx.y);
  const std::int64_t begin = inputs_each * part / parts, end = inputs_each * (part + 1) / parts;

  double result = kind == ReduceKind::maximum ? -static_cast<double>(INFINITY) : 0.0;
  if (output < outputs) {
    std::int64_t base[1], at[1];
    kept.locate(output, base);
    for (std::int64_t i = begin + reducer; i < end; i += reducers) {
      reduced.locate(i, at);
      result = combine(kind, result, input[base[0] + at[0]]);
    }
  }
  results[thread] = result;
  __syncthreads();
  if (reducer > 0 || output >= outputs) return;
  for (int r = 1; r < reducers; ++r)
    result = combine(kind, result, results[kInner ? thread + r : thread + r * at_once]);
  partial[part * outputs + output] = result;
}

template <typename T>
__global__ void finish(ReduceKind kind, std::int64_t outputs, int parts, double count, const double* partial,
                       T* output) {
  for (std::int64_t o = first_element(); o < outputs; o += element_stride()) {
    double result = partial[o];
    for (int p = 1; p < parts; ++p) result = combine(kind, result, partial[p * outputs + o]);
    output[o] = static_cast<T>(kind == ReduceKind::mean ? result / count : result);
  }
}

int power_of_two_up_to(std::int64_t limit, int most) {
  int power = 1;
  while (power < most && power * 2 <= limit) power *= 2;
  return power;
}

}  // namespace

void run(const Reduce& k, Context& context) {
  const std::int64_t outputs = k.output.elements();
  if (outputs == 0) return;
  const Shape& shape = k.input.shape;
  Strides<1> kept, reduced;
  std::int64_t stride = 1, strides[Shape::kMaxRank];
  for (int axis = shape.rank() - 1; axis >= 0; stride *= shape[axis--]) strides[axis] = stride;
  bool inner = false;  // whether the innermost axis of more than one element is reduced
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool goes = k.output.shape[axis] == 1 && shape[axis] != 1;
    (goes ? reduced : kept).add(shape[axis], {strides[axis]});
    if (shape[axis] != 1) inner = goes;
  }
  const std::int64_t inputs_each = k.input.elements() / outputs;

  // Threads for an output: enough to read whole lines of memory, and as many as it has inputs to keep them
  // busy.
  const int reducers =
      power_of_two_up_to(std::max<std::int64_t>(inputs_each / 4, 1), inner ? kThreads : kThreads / 32);
  const std::int64_t blocks = divide_up(outputs, kThreads / reducers);
  const std::int64_t wanted = divide_up(4LL * context.multiprocessors, blocks);
  const std::int64_t parts =
      std::clamp<std::int64_t>(inputs_each / (64LL * reducers), 1, std::min<std::int64_t>(wanted, 1024));

  with_float(k.output.dtype, [&]<typename T>() {
    double* partial = context.scratch<double>(outputs * parts);
    const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(parts));
    launch(context, inner ? reduce<T, true> : reduce<T, false>, grid, kThreads, 0, k.kind, outputs,
           inputs_each, reducers, kept, reduced, k.input.data<T>(), partial);
    launch_elements(context, outputs, finish<T>, k.kind, outputs, static_cast<int>(parts),
                    static_cast<double>(inputs_each), partial, k.output.data<T>());
  });
}

}  // namespace tapeline::cuda
