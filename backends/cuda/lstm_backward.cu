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
__global__ void __launch_bounds__(kMostThreads, 1)
    backward(Arguments<T> a, Plan plan, int first_step, int last_step) {
  const Place place(plan);
  const int hidden = a.size.hidden, all_gates = 4 * hidden, directions = a.size.directions,
            d = place.direction;
  const int thread = static_cast<int>(threadIdx.x), local_unit = thread % plan.units,
            first_image = thread / plan.units;
  const int image_step = plan.images / kImages, unit = place.slice * plan.units + local_unit;
  const T* w_hh = a.w_hh + static_cast<std::int64_t>(d) * hidden * all_gates;

  T* shared_weights = dynamic_shared<T>();  // [gate / 4][unit][4]
  T* room = shared_weights + (kPersistent ? all_gates * plan.units : 0);
  if constexpr (kPersistent) {
    for (int e = thread; e < all_gates * plan.units; e += static_cast<int>(blockDim.x)) {
      const int u = e / all_gates, gate = e % all_gates;
      shared_weights[(gate / 4 * plan.units + u) * 4 + gate % 4] =
          place.slice * plan.units + u < hidden
              ? w_hh[static_cast<std::int64_t>(place.slice * plan.units + u) * all_gates + gate]
              : T(0);
    }
    __syncthreads();
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

    T carried[kImages];  // the gradient in c that comes from the step after
#pragma unroll
    for (int r = 0; r < kImages; ++r) {
      const int n = tile * plan.images + first_image + r * image_step;
      const bool goes_on = last_step < sequence(n).frames && unit < hidden;
      carried[r] =
          goes_on ? a.grad_cells[(static_cast<std::int64_t>(n) * directions + d) * hidden + unit] : T(0);
    }

    for (int step = last_step - 1; step >= first_step; --step) {
      T sums[kImages] = {};
      // What the multiplication is not needed for is on its way before this block waits for the others.
      struct Kept {
        T i, f, g, o, cell, cell_before, grad;
      } kept[kImages];
#pragma unroll
      for (int r = 0; r < kImages; ++r) {
        const int n = tile * plan.images + first_image + r * image_step;
        const Sequence s = sequence(n);
        kept[r] = {};
        if (step >= s.frames || unit >= hidden) continue;
        const std::int64_t here = at(n, s.time(step));
        const T* gate = a.gates + here * all_gates + unit;
        kept[r] = {gate[0],
                   gate[hidden],
                   gate[2 * hidden],
                   gate[3 * hidden],
                   a.cells[here * hidden + unit],
                   step > 0 ? a.cells[at(n, s.time(step - 1)) * hidden + unit] : T(0),
                   a.grad_output[here * hidden + unit]};
      }
      if (step < last_step - 1) wait_for_team(plan, place, ++round);
      const auto grads_after = [&](int image) -> const T* {
        const int n = tile * plan.images + image;
        const Sequence s = sequence(n);
        return step + 1 < s.frames ? a.grad_gates + at(n, s.time(step + 1)) * all_gates : nullptr;
      };
      if (step + 1 < a.size.steps)
        visit_rows<T>(room, plan, all_gates, grads_after, [&](int k, auto&& grads) {
          Pack<T, 4> w{};
          if constexpr (kPersistent)
            w = load_pack<4>(shared_weights, k / 4 * plan.units + local_unit);
          else if (unit < hidden)
            for (int j = 0; j < 4; ++j)
              w.values[j] = w_hh[static_cast<std::int64_t>(unit) * all_gates + k + j];
#pragma unroll
          for (int r = 0; r < kImages; ++r) {
            const auto grad = grads(r);
#pragma unroll
            for (int j = 0; j < 4; ++j) sums[r] += w.values[j] * grad.values[j];
          }
        });

#pragma unroll
      for (int r = 0; r < kImages; ++r) {
        const int n = tile * plan.images + first_image + r * image_step;
        if (unit >= hidden || n >= a.size.batch) continue;
        const Sequence s = sequence(n);
        T* out = a.grad_gates + at(n, s.time(step)) * all_gates + unit;
        if (step >= s.frames) {
          out[0] = out[hidden] = out[2 * hidden] = out[3 * hidden] = 0;
          continue;
        }
        const auto [i, f, g, o, cell, cell_before, grad] = kept[r];
        const T tanh_c = tanh(cell), dh = grad + sums[r];
        const T dc = dh * o * (1 - tanh_c * tanh_c) + carried[r];
        out[0] = dc * g * i * (1 - i);
        out[hidden] = dc * cell_before * f * (1 - f);
        out[2 * hidden] = dc * i * (1 - g * g);
        out[3 * hidden] = dh * tanh_c * o * (1 - o);
        carried[r] = dc * f;
      }
    }
    if (first_step > 0)
      for (int r = 0; r < kImages; ++r) {
        const int n = tile * plan.images + first_image + r * image_step;
        if (n < a.size.batch && unit < hidden)
          a.grad_cells[(static_cast<std::int64_t>(n) * directions + d) * hidden + unit] = carried[r];
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
      const Plan plan = make_plan(context, g, backward<T, true>, sizeof(T) * 4 * g.hidden, sizeof(T),
                                  in_fours(0, g.hidden, {arguments.grad_gates}));
      launch_steps(context, g, plan, arguments, true, backward<T, true>, backward<T, false>);
    }
    if (k.grad_w_hh) multiply_weights<T>(k, context);
  });
}

}  // namespace tapeline::cuda
