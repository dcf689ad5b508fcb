// The way back through the recurrence: the gradient in h is what comes from the output and, through W_hh,
// from the gates of the step after. See lstm.h for who does what; the weights of a unit are here those to all
// gates. The gradient in W_hh is one matrix product over all steps, at the end.

#include <cmath>

#include "backends/cuda/dispatch.h"
#include "backends/cuda/gemm.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/lstm.h"

namespace tapeline::cuda {
namespace {

using namespace lstm;

template <typename T>
struct Arguments {
  const T* w_hh;
  const std::int32_t* frames;
  const T *output, *gates, *cells, *grad_output;
  T *grad_gates, *grad_cells;  // grad_cells [N, D, H]: of the step after
  LstmGeometry size;
};

template <typename T, bool kPersistent>
__global__ void backward(Arguments<T> a, Plan plan, int first_step, int last_step) {
  const Place place(plan);
  const int hidden = a.size.hidden, all_gates = 4 * hidden, directions = a.size.directions,
            d = place.direction;
  const int thread = static_cast<int>(threadIdx.x), local_unit = thread % plan.units,
            first_image = thread / plan.units;
  const int image_step = plan.images / kImages, unit = place.slice * plan.units + local_unit;
  const T* w_hh = a.w_hh + static_cast<std::int64_t>(d) * hidden * all_gates;

  T* shared_weights = dynamic_shared<T>();                                       // [gate][unit]
  T* grads_after = shared_weights + (kPersistent ? all_gates * plan.units : 0);  // [images][kChunk + 1]
  if constexpr (kPersistent)
    for (int e = thread; e < all_gates * plan.units; e += static_cast<int>(blockDim.x)) {
      const int u = place.slice * plan.units + e / all_gates, gate = e % all_gates;
      shared_weights[gate * plan.units + e / all_gates] =
          u < hidden ? w_hh[static_cast<std::int64_t>(u) * all_gates + gate] : T(0);
    }

  unsigned round = 0;
  for (int tile = place.team; tile < plan.tiles; tile += plan.teams) {
    const auto sequence = [&](int n) {
      return Sequence{n < a.size.batch ? length_of(a.frames, n, a.size.steps) : 0,
                      directions == 2 ? d == 1 : a.size.reverse};
    };
    const auto at = [&](int n, int t) {
      return (static_cast<std::int64_t>(n) * a.size.steps + t) * directions + d;
    };

    for (int step = last_step - 1; step >= first_step; --step) {
      T sums[kImages] = {};
      if (step + 1 < a.size.steps)
        for (int chunk = 0; chunk < all_gates; chunk += kChunk) {
          __syncthreads();
          for (int e = thread; e < plan.images * kChunk; e += static_cast<int>(blockDim.x)) {
            const int n = tile * plan.images + e / kChunk, gate = chunk + e % kChunk;
            const Sequence s = sequence(n);
            grads_after[e / kChunk * (kChunk + 1) + e % kChunk] =
                gate < all_gates && step + 1 < s.frames
                    ? __ldcg(a.grad_gates + at(n, s.time(step + 1)) * all_gates + gate)
                    : T(0);
          }
          __syncthreads();
          const int end = min(kChunk, all_gates - chunk);
          for (int j = 0; j < end; ++j) {
            T w;
            if constexpr (kPersistent)
              w = shared_weights[(chunk + j) * plan.units + local_unit];
            else
              w = unit < hidden ? w_hh[static_cast<std::int64_t>(unit) * all_gates + chunk + j] : T(0);
#pragma unroll
            for (int r = 0; r < kImages; ++r)
              sums[r] += w * grads_after[(first_image + r * image_step) * (kChunk + 1) + j];
          }
        }

      for (int r = 0; r < kImages; ++r) {
        const int n = tile * plan.images + first_image + r * image_step;
        if (unit >= hidden || n >= a.size.batch) continue;
        const Sequence s = sequence(n);
        const std::int64_t here = at(n, s.time(step));
        T* out = a.grad_gates + here * all_gates + unit;
        if (step >= s.frames) {
          out[0] = out[hidden] = out[2 * hidden] = out[3 * hidden] = 0;
          continue;
        }
        T& carried = a.grad_cells[(static_cast<std::int64_t>(n) * directions + d) * hidden + unit];
        const T* gate = a.gates + here * all_gates + unit;
        const T i = gate[0], f = gate[hidden], g = gate[2 * hidden], o = gate[3 * hidden];
        const T tanh_c = tanh(a.cells[here * hidden + unit]);
        const T c_before = step > 0 ? a.cells[at(n, s.time(step - 1)) * hidden + unit] : T(0);
        const T dh = a.grad_output[here * hidden + unit] + sums[r];
        const T dc = dh * o * (1 - tanh_c * tanh_c) + (step + 1 < s.frames ? carried : T(0));
        out[0] = dc * g * i * (1 - i);
        out[hidden] = dc * c_before * f * (1 - f);
        out[2 * hidden] = dc * i * (1 - g * g);
        out[3 * hidden] = dh * tanh_c * o * (1 - o);
        carried = dc * f;
      }
      if (step > first_step) wait_for_team(plan, place, ++round);
    }
  }
}

// states[d][n, t] = h before that step, 0 before the first and past the end.
template <typename T>
__global__ void states_before(std::int64_t elements, LstmGeometry size, const std::int32_t* frames,
                              const T* output, T* states) {
  for (std::int64_t e = first_element(); e < elements; e += element_stride()) {
    const int u = static_cast<int>(e % size.hidden);
    const std::int64_t row = e / size.hidden, sequences = static_cast<std::int64_t>(size.batch) * size.steps;
    const int d = static_cast<int>(row / sequences), t = static_cast<int>(row % sequences % size.steps);
    const int n = static_cast<int>(row % sequences / size.steps), length = length_of(frames, n, size.steps);
    const int before = (size.directions == 2 ? d == 1 : size.reverse) ? t + 1 : t - 1;
    const bool there = t < length && before >= 0 && before < length;
    states[e] = there ? output[((static_cast<std::int64_t>(n) * size.steps + before) * size.directions + d) *
                                   size.hidden +
                               u]
                      : T(0);
  }
}

template <typename T>
void multiply_weights(const LstmBackward& k, Context& context) {
  const LstmGeometry& g = k.geometry;
  const std::int64_t rows = static_cast<std::int64_t>(g.batch) * g.steps;
  T* states = context.scratch<T>(g.directions * rows * g.hidden);
  launch_elements(context, g.directions * rows * g.hidden, states_before<T>, g.directions * rows * g.hidden,
                  g, data_or_null<std::int32_t>(k.frames), k.output.data<T>(), states);
  for (int d = 0; d < g.directions; ++d) {
    Product<T> p;
    p.a = states + d * rows * g.hidden, p.a_stride = g.hidden, p.transpose_a = true;
    p.b = k.grad_gates_in.data<T>() + d * 4 * g.hidden,
    p.b_stride = static_cast<std::int64_t>(g.directions) * 4 * g.hidden;
    p.c = k.grad_w_hh.data<T>() + static_cast<std::int64_t>(d) * g.hidden * 4 * g.hidden,
    p.c_stride = 4 * g.hidden;
    p.rows = g.hidden, p.columns = 4 * g.hidden, p.inner = static_cast<int>(rows);
    multiply_matrices(context, p);
  }
}

}  // namespace

void run(const LstmBackward& k, Context& context) {
  const LstmGeometry& g = k.geometry;
  with_float(k.output.dtype, [&]<typename T>() {
    if (g.batch > 0 && g.steps > 0) {
      const Arguments<T> arguments{
          k.w_hh.data<T>(),
          data_or_null<std::int32_t>(k.frames),
          k.output.data<T>(),
          k.gates.data<T>(),
          k.cells.data<T>(),
          k.grad_output.data<T>(),
          k.grad_gates_in.data<T>(),
          context.scratch<T>(static_cast<std::int64_t>(g.batch) * g.directions * g.hidden),
          g};
      const Plan plan = make_plan(context, g, backward<T, true>, sizeof(T) * 4 * g.hidden, sizeof(T));
      launch_steps(context, g, plan, arguments, true, backward<T, true>, backward<T, false>);
    }
    if (k.grad_w_hh) multiply_weights<T>(k, context);
  });
}

}  // namespace tapeline::cuda
