#pragma once

// Runs the threads of a grid on one thread of the processor, in an order of its own choosing. A thread that
// has to wait for others (a barrier, a shuffle) stops there, and the next one runs; threads that never wait
// cost no more than a call of a function. What a device would leave undefined stops the run with a Mistake: a
// barrier that not all threads of a block reach, a shuffle with a lane that is elsewhere, threads that wait
// for ever.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace cuda_emulation {

/// A kernel does what no kernel may do.
struct Mistake : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Launch {
  dim3 grid, block;
  std::size_t shared_bytes = 0;  // dynamic
  bool cooperative = false;      // all blocks run at once, and may wait for each other
  std::function<void()> body;    // one thread's work
};
void run(const Launch& launch);

/// In which order threads and blocks get their turns: "forward", "reverse", or "shuffled:SEED" (drawn anew
/// for each turn). At the start: what the environment variable TAPELINE_CUDA_ORDER says, else forward.
void set_order(const std::string& order);

using Where = std::source_location;

enum class Vote { none, any, all, count };
/// Waits for all threads of the block; the answer is that of the vote over all their predicates.
int block_barrier(Vote vote, bool predicate, const Where& where);
void grid_barrier(const Where& where);
/// Lets other threads run: what a thread that polls memory has to do between two looks.
void pause(const Where& where);

struct LaneValues {
  std::uint64_t bits[32];
};
/// Waits for the lanes of `mask`, each of which brings a value; what all of them brought.
LaneValues warp_exchange(unsigned mask, std::uint64_t value, const char* what, const Where& where);
unsigned lane();

/// 16 bytes to shared memory, of 0 where `from` is null. In the order "forward" they are there at once, in
/// the others as late as may be: when the thread waits for the group of copies that they are in.
void copy_async(void* to, const void* from);
void end_copies();
void wait_for_copies(unsigned groups_left);

/// The block's dynamic shared memory.
void* dynamic_shared();

}  // namespace cuda_emulation
