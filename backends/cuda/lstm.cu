// See lstm.h for who does what. A thread has the four gates of its unit in registers, so that the step ends
// where its sums do.

#include "backends/cuda/lstm.h"

#include <cmath>

#include "backends/cuda/activate.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"

namespace tapeline::cuda {
namespace {

using namespace lstm;

template <typename T>
struct Arguments {
  const T *gates_in, *w_hh;
  const std::int32_t* frames;
  T *output, *gates, *cells;  // gates may be null, cells not
  LstmGeometry size;
};

template <typename T>
struct alignas(4 * sizeof(T)) Gates {
  T i, f, g, o;
};

/// w_hh as a thread reads it: the four gates' weights for hidden unit k, from shared memory or from where
/// they are.
template <typename T, bool kPersistent>
struct Weights {
  const Gates<T>* shared;
  const T* direct;
  int units, hidden;

  __device__ Gates<T> at(int k, int local_unit, int unit) const {
    if constexpr (kPersistent) return shared[k * units + local_unit];
    if (unit >= hidden || k >= hidden) return {0, 0, 0, 0};
    const T* w = direct + static_cast<std::int64_t>(k) * 4 * hidden + unit;
    return {w[0], w[hidden], w[2 * hidden], w[3 * hidden]};
  }
};

template <typename T>
__device__ void add(Gates<T>& sums, T h, const Gates<T>& w) {
  sums.i += h * w.i, sums.f += h * w.f, sums.g += h * w.g, sums.o += h * w.o;
}

// Hidden units in whole fours.
__host__ __device__ inline int padded(int hidden) { return (hidden + 3) / 4 * 4; }

template <typename T, bool kPersistent>
__global__ void __launch_bounds__(kMostThreads, 1)
    forward(Arguments<T> a, Plan plan, int first_step, int last_step) {
  const Place place(plan);
  const int hidden = a.size.hidden, directions = a.size.directions, d = place.direction;
  const int thread = static_cast<int>(threadIdx.x), local_unit = thread % plan.units,
            first_image = thread / plan.units;
  const int image_step = plan.images / kImages, unit = place.slice * plan.units + local_unit;
  const T* w_hh = a.w_hh + static_cast<std::int64_t>(d) * hidden * 4 * hidden;

  Gates<T>* shared_weights = dynamic_shared<Gates<T>>();
  T* room = reinterpret_cast<T*>(shared_weights + (kPersistent ? padded(hidden) * plan.units : 0));
  const Weights<T, kPersistent> weights{shared_weights, w_hh, plan.units, hidden};
  if constexpr (kPersistent) {
    const Weights<T, false> memory{nullptr, w_hh, plan.units, hidden};
    for (int e = thread; e < padded(hidden) * plan.units; e += static_cast<int>(blockDim.x))
      shared_weights[e] =
          memory.at(e / plan.units, e % plan.units, place.slice * plan.units + e % plan.units);
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

    T cells[kImages];  // of the step before
#pragma unroll
    for (int r = 0; r < kImages; ++r) {
      const int n = tile * plan.images + first_image + r * image_step;
      const Sequence s = sequence(n);
      const bool goes_on = first_step > 0 && first_step < s.frames && unit < hidden;
      cells[r] = goes_on ? a.cells[at(n, s.time(first_step - 1)) * hidden + unit] : T(0);
    }

    for (int step = first_step; step < last_step; ++step) {
      Gates<T> sums[kImages];
#pragma unroll
      for (int r = 0; r < kImages; ++r) {  // on its way before this block waits for the others
        const int n = tile * plan.images + first_image + r * image_step;
        const Sequence s = sequence(n);
        sums[r] = {0, 0, 0, 0};
        if (step >= s.frames || unit >= hidden) continue;
        const T* in = a.gates_in + at(n, s.time(step)) * 4 * hidden + unit;
        sums[r] = {in[0], in[hidden], in[2 * hidden], in[3 * hidden]};
      }
      if (step > first_step) wait_for_team(plan, place, ++round);
      const auto state_before = [&](int image) -> const T* {
        const int n = tile * plan.images + image;
        const Sequence s = sequence(n);
        return step < s.frames ? a.output + at(n, s.time(step - 1)) * hidden : nullptr;
      };
      if (step > 0)
        visit_rows<T>(room, plan, hidden, state_before, [&](int k, auto&& states) {
          const Gates<T> w[4] = {weights.at(k, local_unit, unit), weights.at(k + 1, local_unit, unit),
                                 weights.at(k + 2, local_unit, unit), weights.at(k + 3, local_unit, unit)};
#pragma unroll
          for (int r = 0; r < kImages; ++r) {
            const auto h = states(r);
#pragma unroll
            for (int j = 0; j < 4; ++j) add(sums[r], h.values[j], w[j]);
          }
        });

#pragma unroll
      for (int r = 0; r < kImages; ++r) {
        const int n = tile * plan.images + first_image + r * image_step;
        if (unit >= hidden || n >= a.size.batch) continue;
        const Sequence s = sequence(n);
        const std::int64_t here = at(n, s.time(step));
        T h = 0;
        Gates<T> gates{0, 0, 0, 0};
        if (step < s.frames) {
          gates = {sigmoid(sums[r].i), sigmoid(sums[r].f), static_cast<T>(tanh(sums[r].g)),
                   sigmoid(sums[r].o)};
          cells[r] = gates.f * cells[r] + gates.i * gates.g;
          h = gates.o * static_cast<T>(tanh(cells[r]));
        } else {
          cells[r] = 0;
        }
        a.output[here * hidden + unit] = h;
        a.cells[here * hidden + unit] = cells[r];
        if (a.gates) {
          T* out = a.gates + here * 4 * hidden + unit;
          out[0] = gates.i, out[hidden] = gates.f, out[2 * hidden] = gates.g, out[3 * hidden] = gates.o;
        }
      }
    }
  }
}

}  // namespace

void run(const LstmForward& k, Context& context) {
  const LstmGeometry& g = k.geometry;
  if (g.batch == 0 || g.steps == 0) return;
  with_float(k.output.dtype, [&]<typename T>() {
    T* cells = k.cells ? k.cells.data<T>() : context.scratch<T>(k.output.elements());
    const Arguments<T> arguments{k.gates_in.data<T>(),
                                 k.w_hh.data<T>(),
                                 data_or_null<std::int32_t>(k.frames),
                                 k.output.data<T>(),
                                 data_or_null<T>(k.gates),
                                 cells,
                                 g};
    const Plan plan = make_plan(context, g, forward<T, true>, sizeof(T) * 4 * padded(g.hidden), sizeof(T),
                                in_fours(0, g.hidden, {arguments.output}));
    launch_steps(context, g, plan, arguments, false, forward<T, true>, forward<T, false>);
  });
}

}  // namespace tapeline::cuda
