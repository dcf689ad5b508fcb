#pragma once

// The recurrence of both passes is run by one kernel over all time steps, and what its blocks share is the
// same.
//
// A block has `units` hidden units of one direction and a tile of images; a thread has one unit of kImages
// images. Blocks with the same images and direction ("a team") need each other's results after each step.
// With a cooperative launch all of them are at work at once, keep their share of the weights in shared memory
// over all steps, and wait for each other at a counter in memory; a team takes one tile after the other.
// Without, each step is a launch of its own.

#include "backends/cuda/launch.h"
#include "backends/cuda/matrix_units.h"
#include "backends/cuda/packs.h"
#include "backends/cuda/pixels.h"
#include "engine/kernels/lstm.h"

namespace tapeline::cuda::lstm {

inline constexpr int kMostThreads = 256;    // of a block: so that a thread may have all registers
inline constexpr int kImages = 8;           // of a thread
inline constexpr int kChunk = 64;           // of the sum over hidden units (gates, on the way back) at a time
inline constexpr int kStride = kChunk + 4;  // of an image's chunk in shared memory: fours, in other banks

struct Plan {
  int units = 0, images = 0;                      // of a block; images is a multiple of kImages
  int slices = 0, tiles = 0;                      // blocks of a team; tiles of images
  int teams = 0;                                  // of each direction
  bool persistent = false, asynchronous = false;  // asynchronous: copies to shared memory, of aligned fours
  std::size_t shared_bytes = 0;
  unsigned* counters = nullptr;  // of each team, 0 at the start; 16 bytes at least

  int threads() const { return units * (images / kImages); }
};

/// What a block works on. Blocks are numbered by direction, team and slice.
struct Place {
  int direction, team, slice;
  __device__ explicit Place(const Plan& plan) {
    const int block = static_cast<int>(blockIdx.x);
    slice = block % plan.slices;
    team = block / plan.slices % plan.teams;
    direction = block / plan.slices / plan.teams;
  }
};

/// Waits for the other blocks of the team, the `round`th time (from 1).
__device__ inline void wait_for_team(const Plan& plan, const Place& place, unsigned round) {
  __syncthreads();
  if (plan.slices == 1) return;
  if (threadIdx.x == 0) {
    unsigned* counter = plan.counters + place.direction * plan.teams + place.team;
    __threadfence();
    atomicAdd(counter, 1u);
    while (*static_cast<volatile unsigned*>(counter) < round * static_cast<unsigned>(plan.slices))
      __nanosleep(40);
    __threadfence();
  }
  __syncthreads();
}

/// Multiplies what the team's blocks have left in memory, a row of `length` values for each image, by this
/// thread's weights: calls visit(k, values) for every fourth k, where values(r) are k to k + 3 of the
/// thread's image r, 0 past the end. A chunk is on its way to shared memory (`room`, twice [images][kStride])
/// while the one before is visited. row(image of the tile) is null where all values are 0.
template <typename T, typename Row, typename Visit>
__device__ void visit_rows(T* room, const Plan& plan, int length, Row row, Visit visit) {
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int first_image = thread / plan.units, image_step = plan.images / kImages;
  const auto fetch = [&](int chunk) {
    T* to = room + chunk / kChunk % 2 * plan.images * kStride;
    // By way of the second-level cache in both cases: the first may still have what was there before.
    if (plan.asynchronous)
      for (int e = thread; e < plan.images * (kChunk / 4); e += threads) {
        const int image = e / (kChunk / 4), k = e % (kChunk / 4) * 4;
        if (chunk + k >= length) continue;
        const T* from = row(image);
        copy_async<false>(to + image * kStride + k,
                          from ? static_cast<const void*>(from + chunk + k) : plan.counters, from != nullptr);
      }
    else
      for (int e = thread; e < plan.images * kChunk; e += threads) {
        const int image = e / kChunk, k = e % kChunk;
        const T* from = chunk + k < length ? row(image) : nullptr;
        to[image * kStride + k] = from ? __ldcg(from + chunk + k) : T(0);
      }
    if (plan.asynchronous) end_copies();
  };

  fetch(0);
  for (int chunk = 0; chunk < length; chunk += kChunk) {
    const bool more = chunk + kChunk < length;
    if (more) fetch(chunk + kChunk);
    if (plan.asynchronous) more ? wait_for_copies<1>() : wait_for_copies<0>();
    __syncthreads();
    const T* images = room + chunk / kChunk % 2 * plan.images * kStride + first_image * kStride;
    const int end = min(kChunk, length - chunk);
    for (int k = 0; k < end; k += 4)
      visit(chunk + k, [&](int r) { return load_pack<4>(images + r * image_step * kStride + k, 0); });
    __syncthreads();
  }
}

/// One image's way through time.
struct Sequence {
  int frames;
  bool reverse;
  /// Where step `s` of it is: the frames past its end take the last steps in both directions.
  __device__ int time(int s) const { return s < frames && reverse ? frames - 1 - s : s; }
};

/// The fastest division of the work, by a rough count of clock cycles. `bytes_of_weight`: of one unit's
/// weights.
template <typename Kernel>
Plan make_plan(Context& context, const LstmGeometry& g, Kernel* persistent_kernel,
               std::size_t bytes_of_weight, std::size_t bytes_of_value, bool in_fours) {
  Plan best;
  double least = 0;
  const auto divide = [&](int units, int images) {
    Plan plan;
    plan.units = units, plan.images = images;
    plan.slices = static_cast<int>(divide_up(g.hidden, units));
    plan.tiles = static_cast<int>(divide_up(g.batch, images));
    plan.shared_bytes = 2 * images * kStride * bytes_of_value;
    plan.asynchronous = in_fours && bytes_of_value == 4 && context.copies_async;
    return plan;
  };
  for (const int units : {4, 8, 16, 32})
    for (const int images : {16, 32, 64, 128}) {
      Plan plan = divide(units, images);
      plan.shared_bytes += units * bytes_of_weight;
      if (!context.cooperative || plan.threads() < 32 || plan.threads() > kMostThreads ||
          plan.shared_bytes > context.shared_limit)
        continue;
      if (plan.shared_bytes > (std::size_t{48} << 10))
        check(cudaFuncSetAttribute(persistent_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(plan.shared_bytes)),
              "asking for shared memory");
      int blocks = 0;
      check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, persistent_kernel, plan.threads(),
                                                          plan.shared_bytes),
            "asking for occupancy");
      plan.teams = std::min(plan.tiles, blocks * context.multiprocessors / (plan.slices * g.directions));
      if (plan.teams == 0) continue;
      plan.persistent = true;
      const double rounds = static_cast<double>(divide_up(plan.tiles, plan.teams));
      const double multiply_adds = 4.0 * units * images * g.hidden, moved = 4.0 * images * g.hidden;
      const double cycles =
          rounds * (blocks * multiply_adds / std::min(plan.threads(), 128) + moved / 16 + 3000);
      if (!best.persistent || cycles < least) best = plan, least = cycles;
    }
  if (best.persistent) return best;
  best = divide(16, 64);
  best.teams = best.tiles;
  return best;
}

/// Runs kernel(arguments, plan, first step, last step) over all steps: at once, or one by one.
template <typename Arguments>
void launch_steps(Context& context, const LstmGeometry& g, Plan plan, const Arguments& arguments,
                  bool backward, void (*persistent)(Arguments, Plan, int, int),
                  void (*single)(Arguments, Plan, int, int)) {
  const auto blocks = static_cast<unsigned>(plan.slices * plan.teams * g.directions);
  const auto threads = static_cast<unsigned>(plan.threads());
  plan.counters = context.scratch<unsigned>(std::max(plan.teams * g.directions, 4));
  if (plan.persistent) {
    check(cudaMemsetAsync(plan.counters, 0, sizeof(unsigned) * plan.teams * g.directions, context.stream),
          "memset");
    launch_with(context, true, persistent, blocks, threads, plan.shared_bytes, arguments, plan, 0, g.steps);
    return;
  }
  for (int i = 0; i < g.steps; ++i) {
    const int step = backward ? g.steps - 1 - i : i;
    launch(context, single, blocks, threads, plan.shared_bytes, arguments, plan, step, step + 1);
  }
}

}  // namespace tapeline::cuda::lstm
