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
    if (unit >= hidden) return {0, 0, 0, 0};
    const T* w = direct + static_cast<std::int64_t>(k) * 4 * hidden + unit;
    return {w[0], w[hidden], w[2 * hidden], w[3 * hidden]};
  }
};

template <typename T, bool kPersistent>
__global__ void forward(Arguments<T> a, Plan plan, int first_step, int last_step) {
  const Place place(plan);
  const int hidden = a.size.hidden, directions = a.size.directions, d = place.direction;
  const int thread = static_cast<int>(threadIdx.x), local_unit = thread % plan.units,
            first_image = thread / plan.units;
  const int image_step = plan.images / kImages, unit = place.slice * plan.units + local_unit;
  const T* w_hh = a.w_hh + static_cast<std::int64_t>(d) * hidden * 4 * hidden;

  Gates<T>* shared_weights = dynamic_shared<Gates<T>>();
  T* h_before =
      reinterpret_cast<T*>(shared_weights + (kPersistent ? hidden * plan.units : 0));  // [images][kChunk + 1]
  const Weights<T, kPersistent> weights{shared_weights, w_hh, plan.units, hidden};
  if constexpr (kPersistent) {
    const Weights<T, false> memory{nullptr, w_hh, plan.units, hidden};
    for (int e = thread; e < hidden * plan.units; e += static_cast<int>(blockDim.x))
      shared_weights[e] =
          memory.at(e / plan.units, e % plan.units, place.slice * plan.units + e % plan.units);
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

    for (int step = first_step; step < last_step; ++step) {
      Gates<T> sums[kImages] = {};
      if (step > 0)
        for (int chunk = 0; chunk < hidden; chunk += kChunk) {
          __syncthreads();
          for (int e = thread; e < plan.images * kChunk; e += static_cast<int>(blockDim.x)) {
            const int n = tile * plan.images + e / kChunk, k = chunk + e % kChunk;
            const Sequence s = sequence(n);
            h_before[e / kChunk * (kChunk + 1) + e % kChunk] =
                k < hidden && step < s.frames ? __ldcg(a.output + at(n, s.time(step - 1)) * hidden + k)
                                              : T(0);
          }
          __syncthreads();
          const int end = min(kChunk, hidden - chunk);
          for (int k = 0; k < end; ++k) {
            const Gates<T> w = weights.at(chunk + k, local_unit, unit);
#pragma unroll
            for (int r = 0; r < kImages; ++r) {
              const T h = h_before[(first_image + r * image_step) * (kChunk + 1) + k];
              sums[r].i += h * w.i, sums[r].f += h * w.f, sums[r].g += h * w.g, sums[r].o += h * w.o;
            }
          }
        }

      for (int r = 0; r < kImages; ++r) {
        const int n = tile * plan.images + first_image + r * image_step;
        if (unit >= hidden || n >= a.size.batch) continue;
        const Sequence s = sequence(n);
        const std::int64_t here = at(n, s.time(step));
        T h = 0, c = 0;
        Gates<T> gates{0, 0, 0, 0};
        if (step < s.frames) {
          const T* in = a.gates_in + here * 4 * hidden + unit;
          gates = {sigmoid(in[0] + sums[r].i), sigmoid(in[hidden] + sums[r].f),
                   static_cast<T>(tanh(in[2 * hidden] + sums[r].g)), sigmoid(in[3 * hidden] + sums[r].o)};
          const T before = step > 0 ? a.cells[at(n, s.time(step - 1)) * hidden + unit] : T(0);
          c = gates.f * before + gates.i * gates.g;
          h = gates.o * static_cast<T>(tanh(c));
        }
        a.output[here * hidden + unit] = h;
        a.cells[here * hidden + unit] = c;
        if (a.gates) {
          T* out = a.gates + here * 4 * hidden + unit;
          out[0] = gates.i, out[hidden] = gates.f, out[2 * hidden] = gates.g, out[3 * hidden] = gates.o;
        }
      }
      if (step + 1 < last_step) wait_for_team(plan, place, ++round);
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
    const Plan plan = make_plan(context, g, forward<T, true>, sizeof(T) * 4 * g.hidden, sizeof(T));
    launch_steps(context, g, plan, arguments, false, forward<T, true>, forward<T, false>);
  });
}

}  // namespace tapeline::cuda
