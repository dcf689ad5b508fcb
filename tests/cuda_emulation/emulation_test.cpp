// The emulation itself: right kernels give right results in every order of their threads, and wrong ones are
// found out.

#include <cooperative_groups.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <mma.h>

#include <numeric>
#include <string>
#include <vector>

namespace {

struct Shape {
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  bool cooperative = false;
};

template <typename... Parameters, typename... Arguments>
void launch(const Shape& shape, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchAttribute attribute{};
  attribute.val.cooperative = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid, config.blockDim = shape.block, config.dynamicSmemBytes = shape.shared_bytes;
  config.attrs = &attribute, config.numAttrs = shape.cooperative;
  const cudaError_t error = cudaLaunchKernelEx(&config, kernel, arguments...);
  REQUIRE(error == cudaSuccess);
}

const char* const kOrders[] = {"forward", "reverse", "shuffled:1", "shuffled:2"};

template <typename Body>
void in_every_order(Body&& body) {
  for (const char* order : kOrders) {
    CAPTURE(std::string(order));
    cuda_emulation::set_order(order);
    body();
  }
  cuda_emulation::set_order("forward");
}

/// What the Mistake says that `body` makes in all orders; "" where one of them shows none.
template <typename Body>
std::string mistake_of(Body&& body) {
  std::string message;
  for (const char* order : kOrders) {
    cuda_emulation::set_order(order);
    message.clear();
    try {
      body();
    } catch (const cuda_emulation::Mistake& mistake) {
      message = mistake.what();
    }
    if (message.empty()) break;
  }
  cuda_emulation::set_order("forward");
  return message;
}

bool holds(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// Kernels ---------------------------------------------------------------------------------------------------

// Sums in shared memory, halving; without its barrier where `broken`.
template <bool kBroken>
void tree_sum(const int* input, int* output) {
  __shared__ int values[64];
  values[threadIdx.x] = input[blockIdx.x * 64 + threadIdx.x];
  __syncthreads();
  for (unsigned half = 32; half > 0; half /= 2) {
    if (threadIdx.x < half) values[threadIdx.x] += values[threadIdx.x + half];
    if constexpr (!kBroken) __syncthreads();
  }
  if (threadIdx.x == 0) output[blockIdx.x] = values[0];
}

void ranks(int* output) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  int sum = lane;
  for (int delta = 1; delta < 32; delta *= 2) {
    const int below = __shfl_up_sync(~0u, sum, static_cast<unsigned>(delta));
    if (lane >= delta) sum += below;
  }
  const int last = __shfl_sync(~0u, sum, 31), partner = __shfl_xor_sync(~0u, lane, 1);
  const int next = __shfl_down_sync(~0u, lane, 1), group = __shfl_sync(~0u, lane, 2, 8);
  const unsigned odd = __ballot_sync(~0u, lane % 2);
  output[threadIdx.x] = sum == lane * (lane + 1) / 2 && last == 496 && partner == (lane ^ 1) &&
                        next == (lane < 31 ? lane + 1 : 31) && group == lane / 8 * 8 + 2 &&
                        odd == 0xAAAAAAAAu && __any_sync(~0u, lane == 5) && !__all_sync(~0u, lane == 5);
}

void votes(int* output) {
  const int t = static_cast<int>(threadIdx.x);
  const int any = __syncthreads_or(t == 3), all = __syncthreads_and(t < 40),
            count = __syncthreads_count(t % 3 == 0);
  output[t] = any * 100 + all * 1000 + count;
}

void divergent(int* output) {
  if (threadIdx.x % 2) {
    __syncthreads();
    output[threadIdx.x] = 1;
  } else {
    __syncthreads();
    output[threadIdx.x] = 2;
  }
}

void leaves_early(int* output) {
  if (threadIdx.x == 5) return;
  __syncthreads();
  output[threadIdx.x] = 1;
}

void shuffles_apart(int* output) {
  if (threadIdx.x < 16) output[threadIdx.x] = __shfl_sync(~0u, 1, 0);
}

void in_a_ring(int* tokens) {
  namespace cg = cooperative_groups;
  const unsigned block = blockIdx.x, blocks = gridDim.x;
  for (unsigned round = 0; round < blocks; ++round) {
    const int received = tokens[(block + blocks - 1) % blocks];
    cg::this_grid().sync();
    if (threadIdx.x == 0) tokens[block] = received + 1;
    cg::this_grid().sync();
  }
}

void grid_barrier_alone() { cooperative_groups::this_grid().sync(); }

void waits_for(volatile int* flag, bool someone_sets_it) {
  if (threadIdx.x == 0)
    while (*flag == 0) __nanosleep(20);
  else if (someone_sets_it)
    *flag = 1;
}

void dynamic(int* output) {
  int* values = static_cast<int*>(cuda_emulation::dynamic_shared());
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  output[threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
}

void count_up(int* counter, int* tickets) { tickets[atomicAdd(counter, 1)] = 1; }

void matrix_product(const float* a, const float* b, float* c) {
  using namespace nvcuda::wmma;
  __shared__ __half halves[2][256];
  for (unsigned i = threadIdx.x; i < 256; i += 32)
    halves[0][i] = __float2half_rn(a[i]), halves[1][i] = __float2half_rn(b[i]);
  __syncwarp();
  fragment<matrix_a, 16, 16, 16, __half, col_major> x;
  fragment<matrix_b, 16, 16, 16, __half, row_major> y;
  fragment<accumulator, 16, 16, 16, float> sums;
  fill_fragment(sums, 0.0f);
  load_matrix_sync(x, halves[0], 16);
  load_matrix_sync(y, halves[1], 16);
  mma_sync(sums, x, y, sums);
  store_matrix_sync(c, sums, 16, mem_row_major);
}

void writes_past_the_end(int* output) { output[threadIdx.x + 1] = 1; }

}  // namespace

TEST_CASE("emulation: barriers, in every order") {
  std::vector<int> input(3 * 64), output(3);
  std::iota(input.begin(), input.end(), 1);
  in_every_order([&] {
    launch({3, 64}, tree_sum<false>, input.data(), output.data());
    for (int b = 0; b < 3; ++b) CHECK(output[static_cast<std::size_t>(b)] == 64 * 65 / 2 + 64 * 64 * b);
  });
}

TEST_CASE("emulation: a barrier that is missing gives a wrong result in some order") {
  std::vector<int> input(64), output(1);
  std::iota(input.begin(), input.end(), 1);
  int wrong = 0;
  in_every_order([&] {
    launch({1, 64}, tree_sum<true>, input.data(), output.data());
    wrong += output[0] != 64 * 65 / 2;
  });
  CHECK(wrong > 0);
}

TEST_CASE("emulation: shuffles and votes") {
  in_every_order([&] {
    std::vector<int> right(96);
    launch({1, 96}, ranks, right.data());
    for (const int r : right) CHECK(r == 1);
    std::vector<int> voted(40);
    launch({1, dim3(8, 5)}, votes, voted.data());
    // threadIdx.x runs from 0 to 7 in each of five rows, and three of these eight are multiples of 3.
    for (std::size_t t = 0; t < 8; ++t) CHECK(voted[t] == 1100 + 15);
  });
}

TEST_CASE("emulation: blocks that wait for each other") {
  in_every_order([&] {
    std::vector<int> tokens(5);
    launch({5, 32, 0, true}, in_a_ring, tokens.data());
    CHECK(tokens == std::vector<int>(5, 5));
    int flag = 0;
    launch({1, 2}, waits_for, &flag, true);
    CHECK(flag == 1);
  });
}

TEST_CASE("emulation: atomics, dynamic shared memory, graphs") {
  in_every_order([&] {
    int counter = 0;
    std::vector<int> tickets(96), turned(32);
    launch({3, 32}, count_up, &counter, tickets.data());
    CHECK(counter == 96);
    CHECK(tickets == std::vector<int>(96, 1));
    launch({1, 32, 32 * sizeof(int)}, dynamic, turned.data());
    CHECK(turned[0] == 31);
    CHECK(turned[31] == 0);
  });

  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  int counter = 0;
  std::vector<int> tickets(64);
  cudaStreamCreateWithFlags(&stream, 0);
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed);
  cudaLaunchConfig_t config{};
  config.blockDim = 32, config.stream = stream;
  CHECK(cudaLaunchKernelEx(&config, count_up, &counter, tickets.data()) == cudaSuccess);
  cudaStreamEndCapture(stream, &graph);
  CHECK(counter == 0);
  cudaGraphInstantiate(&executable, graph);
  cudaGraphLaunch(executable, stream);
  cudaGraphLaunch(executable, stream);
  CHECK(counter == 64);
  cudaGraphExecDestroy(executable), cudaGraphDestroy(graph), cudaStreamDestroy(stream);
}

TEST_CASE("emulation: fragments") {
  std::vector<float> a(256), b(256), c(256);
  for (int i = 0; i < 256; ++i) {
    a[static_cast<std::size_t>(i)] = static_cast<float>(i % 7 - 3);
    b[static_cast<std::size_t>(i)] = static_cast<float>(i % 5 - 2);
  }
  in_every_order([&] {
    launch({1, 32}, matrix_product, a.data(), b.data(), c.data());
    for (std::size_t row = 0; row < 16; ++row)
      for (std::size_t column = 0; column < 16; ++column) {
        float sum = 0;
        for (std::size_t k = 0; k < 16; ++k) sum += a[k * 16 + row] * b[k * 16 + column];
        CHECK(c[row * 16 + column] == sum);
      }
  });
}

TEST_CASE("emulation: kernels that make mistakes are stopped") {
  std::vector<int> output(64);
  int flag = 0;
  CHECK(holds(mistake_of([&] { launch({1, 64}, divergent, output.data()); }), "divergent barrier"));
  CHECK(holds(mistake_of([&] { launch({1, 64}, leaves_early, output.data()); }), "divergent barrier"));
  CHECK(holds(mistake_of([&] { launch({1, 32}, shuffles_apart, output.data()); }), "wait"));
  CHECK(holds(mistake_of([&] { launch({2, 32}, grid_barrier_alone); }), "not cooperative"));
  CHECK(holds(mistake_of([&] {
                launch({1, 2}, waits_for, &flag, false);
              }),
              "wait for what none of them will do"));
  // And afterwards all is as before.
  launch({1, 32, 32 * sizeof(int)}, dynamic, output.data());
  CHECK(output[0] == 31);
}

TEST_CASE("emulation: launches that a device refuses") {
  cudaLaunchConfig_t config{};
  config.blockDim = 2048;
  CHECK(cudaLaunchKernelEx(&config, grid_barrier_alone) == cudaErrorInvalidValue);
  config.blockDim = 32, config.dynamicSmemBytes = std::size_t{1} << 20;
  CHECK(cudaLaunchKernelEx(&config, grid_barrier_alone) == cudaErrorInvalidValue);
  CHECK_THROWS_AS(cuda_emulation::set_order("sideways"), cuda_emulation::Mistake);
}

// Run by itself, under the address sanitizer, which has to stop it.
TEST_CASE("emulation: out of bounds" * doctest::skip()) {
  void* memory = nullptr;
  REQUIRE(cudaMalloc(&memory, 32 * sizeof(int)) == cudaSuccess);
  launch({1, 32}, writes_past_the_end, static_cast<int*>(memory));
  cudaFree(memory);
}
