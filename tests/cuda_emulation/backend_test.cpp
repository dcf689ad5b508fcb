// What the CUDA backend does beside kernels: saying why it cannot be used, memory, uploads, precisions,
// programs.

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "backends/check/check.h"
#include "backends/cuda/backend.h"
#include "backends/cuda/gemm_pipeline.h"
#include "backends/reference/backend.h"
#include "backends/registry.h"
#include "engine/ops/ops.h"
#include "engine/program.h"
#include "engine/random.h"
#include "tests/errors.h"

using namespace tapeline;

namespace {

struct WithFaults {
  explicit WithFaults(const cuda_emulation::Faults& faults) { cuda_emulation::faults = faults; }
  ~WithFaults() { cuda_emulation::faults = {}; }
};

void expect_texts(const std::string& message, std::initializer_list<const char*> texts) {
  for (const char* text : texts) {
    CAPTURE(message);
    CAPTURE(text);
    CHECK(message.find(text) != std::string::npos);
  }
}

std::vector<float> draw(std::size_t count, std::uint64_t stream) {
  Random random(5, stream);
  std::vector<float> values(count);
  for (float& v : values) v = random.uniform(-1, 1);
  return values;
}

}  // namespace

TEST_CASE("cuda: why it cannot be used") {
  const auto reason = [](const cuda_emulation::Faults& faults) {
    const WithFaults scope(faults);
    const std::string error = error_of([] { open_cuda(); });
    bool listed = false;
    for (const DeviceEntry& entry : list_devices())
      if (entry.info.id == "cuda" && !entry.usable) listed = entry.reason == error;
    CHECK(listed);
    CHECK(open_device("auto")->describe().id == "cpu");
    return error;
  };
  expect_texts(reason({.driver = 0}), {"no NVIDIA driver"});
  expect_texts(reason({.devices = cudaErrorInsufficientDriver, .driver = 11040}),
               {"too old", "11.4", "13.0", "580 or later"});
  expect_texts(reason({.major = 13, .minor = 1, .image = cudaErrorUnsupportedPtxVersion}),
               {"newer driver", "-Dgpu_architectures=131"});
  expect_texts(reason({.devices = cudaErrorNoDevice}), {"no card", "nvidia-smi"});
  expect_texts(reason({.major = 6, .minor = 1, .image = cudaErrorNoKernelImageForDevice}),
               {"6.1", "-Dgpu_architectures=61"});
  expect_texts(error_of([] { open_device("cuda:3"); }), {"cuda:3", "this machine has 1"});
  expect_texts(error_of([] { open_device("cuda:x"); }), {"cuda:x", "number"});
  expect_texts(error_of([] { open_device("cuda:-1"); }), {"cuda:-1"});
  CHECK(open_device("auto")->describe().id == "cuda:0");
  CHECK(open_device("cuda:0")->describe().name.find("fp32") != std::string::npos);
}

TEST_CASE("cuda: precisions") {
  const WithFaults turing({.major = 7, .minor = 5});
  expect_texts(error_of([] { open_cuda({.precision = Precision::bf16}); }), {"7.5", "bf16", "choose fp32"});
}

TEST_CASE("cuda: out of memory says how much there is") {
  const WithFaults small({.memory = std::size_t{96} << 20});
  const auto device = open_cuda();
  const auto held = device->allocate(std::size_t{20} << 20);
  expect_texts(error_of([&] { device->allocate(std::size_t{100} << 20); }),
               {"cuda:0", "100.0 MiB were asked for", "of 96.0 MiB", "smaller batch"});
  device->allocate(std::size_t{1} << 20);
  device->allocate(0);
}

TEST_CASE("cuda: an error of a kernel names those that it can have been") {
  const auto device = open_cuda();
  const Tensor x = Tensor::full(device, {4}, 1);
  relu(x);
  const WithFaults broken({.kernels = cudaErrorIllegalAddress});
  expect_texts(error_of([&] { device->synchronize(); }),
               {"cudaErrorIllegalAddress", "fill", "activation_forward", "checkpoint"});
  expect_texts(error_of([&] { x.to_vector<float>(); }), {"cuda:0", "cudaErrorIllegalAddress"});
  setenv("TAPELINE_CUDA_WAIT", "1", 1);
  const auto careful = open_cuda();
  unsetenv("TAPELINE_CUDA_WAIT");
  expect_texts(error_of([&] { Tensor::full(careful, {4}, 1); }), {"there ran: fill."});
}

TEST_CASE("cuda: uploads and downloads of any size") {
  const auto device = open_cuda();
  for (const std::int64_t size : {1, 1000, 16384, 16385, 5000000}) {
    const std::vector<float> values = draw(static_cast<std::size_t>(size), 1);
    const Tensor x = Tensor::from<float>(device, {size}, values);
    CHECK(x.to_vector<float>() == values);
  }
  // More uploads on their way than there are slots.
  std::vector<Tensor> many;
  for (int i = 0; i < 50; ++i) many.push_back(Tensor::full(device, {3}, i));
  for (int i = 0; i < 50; ++i)
    many[static_cast<std::size_t>(i)].upload(std::vector<float>(3, static_cast<float>(i)));
  for (int i = 0; i < 50; ++i)
    CHECK(many[static_cast<std::size_t>(i)].to_vector<float>()[2] == static_cast<float>(i));
}

// Convolutions and products with fewer bits: as close to f32 as these bits are, and not closer than they can
// be.
TEST_CASE("cuda: matrix units") {
  struct Case {
    Precision precision;
    double allowed;
  };
  for (const bool blas : {true, false})
    for (const auto& [precision, allowed] :
         {Case{Precision::tf32, 2e-3}, Case{Precision::fp16, 2e-3}, Case{Precision::bf16, 1.5e-2}}) {
      CAPTURE(std::string(name_of(precision)));
      CAPTURE(blas);
      if (!blas) setenv("TAPELINE_CUDA_BLAS", "0", 1);
      const Device device = open_cuda({.precision = precision}), plain = open_reference();
      unsetenv("TAPELINE_CUDA_BLAS");
      const auto run = [&](const Device& on) {
        Tensor x = Tensor::from<float>(on, {2, 9, 14, 20}, draw(2 * 9 * 14 * 20, 1));
        Tensor w = Tensor::from<float>(on, {3, 3, 20, 70}, draw(3 * 3 * 20 * 70, 2));
        Tensor head = Tensor::from<float>(on, {70, 5}, draw(70 * 5, 3));
        x.set_requires_grad(), w.set_requires_grad(), head.set_requires_grad();
        const Tensor y = matmul(reshape(conv2d(x, w, {}, {.stride_w = 2}), {2 * 9 * 7, 70}), head);
        y.backward(Tensor::from<float>(on, y.shape(), draw(static_cast<std::size_t>(y.elements()), 4)));
        std::vector<std::vector<float>> results;
        for (const Tensor& t : {y, x.grad(), w.grad(), head.grad()}) results.push_back(t.to_vector<float>());
        return results;
      };
      const auto found = run(device), wanted = run(plain);
      for (std::size_t r = 0; r < wanted.size(); ++r) {
        double largest = 0, furthest = 0;
        for (std::size_t i = 0; i < wanted[r].size(); ++i) {
          largest = std::max(largest, std::abs(static_cast<double>(wanted[r][i])));
          furthest = std::max(furthest, std::abs(static_cast<double>(found[r][i]) - wanted[r][i]));
        }
        CAPTURE(r);
        CHECK(furthest <= allowed * largest);
        if (r == 0 || r == 1) CHECK(furthest > 1e-5 * largest);
      }
    }
}

namespace {

using cuda::Matrix;

struct StorePairs {
  float* c;
  int columns, elements;
  void select(int) {}
  void operator()(int row, int column, float value, float next, int part) const {
    float* to = c + part * elements + row * columns + column;
    to[0] = value, to[1] = next;
  }
};

// Small whole numbers, so that every sum is exact, in whatever order.
template <typename Tile, bool kDenseA, bool kDenseB>
bool multiplies_right(int rows, int columns, int inner, int parts) {
  using Half = typename Tile::Half;
  const auto half = [](std::size_t i) {
    const float value = static_cast<float>(i * 7919 % 17) - 8;
    if constexpr (std::is_same_v<Half, __half>)
      return __float2half_rn(value);
    else
      return __float2bfloat16_rn(value);
  };
  struct alignas(16) Eight {
    Half values[8];
  };
  const auto make = [&](int size) {
    std::vector<Eight> factors(static_cast<std::size_t>(size / 8));
    for (std::size_t i = 0; i < factors.size() * 8; ++i)
      factors[i / 8].values[i % 8] = half(i + static_cast<std::size_t>(size));
    return factors;
  };
  const std::vector<Eight> a = make(rows * inner), b = make(inner * columns);
  std::vector<float> c(static_cast<std::size_t>(rows * columns * parts), -1);
  cuda::Context context;
  cuda::launch_pipeline<Tile>(context, {rows, columns, inner, 1, parts},
                              Matrix<Half, kDenseA>{a.data()->values, kDenseA ? inner : rows},
                              Matrix<Half, kDenseB>{b.data()->values, kDenseB ? inner : columns},
                              StorePairs{c.data(), columns, rows * columns});
  const auto at = [](const std::vector<Eight>& factors, int i) {
    return cuda_emulation::widen<Half>(factors[static_cast<std::size_t>(i / 8)].values[i % 8].bits);
  };
  for (int m = 0; m < rows; ++m)
    for (int n = 0; n < columns; ++n) {
      float wanted = 0, found = 0;
      for (int k = 0; k < inner; ++k)
        wanted +=
            at(a, kDenseA ? m * inner + k : k * rows + m) * at(b, kDenseB ? n * inner + k : k * columns + n);
      for (int part = 0; part < parts; ++part)
        found += c[static_cast<std::size_t>((part * rows + m) * columns + n)];
      if (found != wanted) return false;
    }
  return true;
}

}  // namespace

TEST_CASE("cuda: the pipeline's tiles") {
  for (const std::string order : {"forward", "reverse"}) {
    CAPTURE(order);
    cuda_emulation::set_order(order);
    CHECK(multiplies_right<cuda::LargeTile<__nv_bfloat16>, true, false>(264, 136, 104, 1));
    CHECK(multiplies_right<cuda::LargeTile<__half>, false, true>(256, 24, 40, 1));
    CHECK(multiplies_right<cuda::LargeTile<__half>, false, false>(40, 136, 333, 3));
    CHECK(multiplies_right<cuda::MediumTile<__nv_bfloat16>, true, true>(129, 136, 48, 1));
    CHECK(multiplies_right<cuda::MediumTile<__nv_bfloat16>, false, false>(136, 8, 97, 2));
    CHECK(multiplies_right<cuda::SmallTile<__half>, true, false>(3, 72, 8, 1));
    CHECK(multiplies_right<cuda::SmallTile<__half>, false, true>(136, 66, 40, 1));
  }
  cuda_emulation::set_order("forward");
}

// Channels in eights take another way, with a tile for the work that there is, with the activation at once
// where it is made of straight lines.
TEST_CASE("cuda: matrix units, eights of channels") {
  struct Case {
    Shape input, weight;
    ActivationKind kind;
    int groups, stride;
  };
  for (const Case& c : {Case{{1, 32, 32, 8}, {3, 3, 8, 128}, ActivationKind::leaky_relu, 1, 1},
                        Case{{1, 32, 32, 128}, {1, 2, 128, 8}, ActivationKind::tanh, 1, 1},
                        Case{{1, 6, 9, 64}, {3, 3, 64, 128}, ActivationKind::relu6, 1, 2},
                        Case{{2, 5, 9, 48}, {3, 2, 24, 80}, ActivationKind::relu, 2, 1},
                        Case{{2, 13, 21, 8}, {5, 3, 8, 16}, ActivationKind::none, 1, 3}})
    for (const auto& [precision, allowed] :
         {std::pair{Precision::fp16, 5e-2}, std::pair{Precision::bf16, 1e-1}}) {
      CAPTURE(std::string(name_of(precision)));
      CAPTURE(c.input.text());
      const Device device = open_cuda({.precision = precision}), plain = open_reference();
      const auto run = [&](const Device& on) {
        const auto make = [&](const Shape& shape, std::uint64_t stream) {
          return Tensor::from<float>(on, shape, draw(static_cast<std::size_t>(shape.elements()), stream))
              .set_requires_grad();
        };
        const Tensor x = make(c.input, 1), w = make(c.weight, 2), bias = make({c.weight[3]}, 3);
        const Tensor y = conv2d(
            x, w, bias,
            {.stride_h = c.stride, .stride_w = c.stride, .groups = c.groups, .activation = {c.kind, .1f}});
        y.backward(Tensor::from<float>(on, y.shape(), draw(static_cast<std::size_t>(y.elements()), 4)));
        std::vector<std::vector<float>> results;
        for (const Tensor& t : {y, x.grad(), w.grad()}) results.push_back(t.to_vector<float>());
        return results;
      };
      const auto found = run(device), wanted = run(plain);
      for (std::size_t r = 0; r < wanted.size(); ++r) {
        CAPTURE(r);
        double squares = 0, off = 0;  // a few gradients an activation lets through or not by a hair
        for (std::size_t i = 0; i < wanted[r].size(); ++i) {
          squares += std::pow(wanted[r][i], 2);
          off += std::pow(found[r][i] - wanted[r][i], 2);
        }
        CHECK(off <= allowed * allowed * squares);
        CHECK(off > 1e-12 * squares);
      }
    }
}

TEST_CASE("cuda: a program without graphs runs its kernels one after the other") {
  for (const auto& [name, value] :
       {std::pair{"TAPELINE_CUDA_GRAPHS", "0"}, std::pair{"TAPELINE_CUDA_WAIT", "1"}}) {
    setenv(name, value, 1);
    const Device device = open_cuda();
    unsetenv(name);
    const Tensor x = Tensor::from<float>(device, {4}, {-1, 0, 1, 2});
    Tensor y;
    Program program = record([&] { y = relu(x); });
    program.compile();
    program.replay();
    CHECK(y.to_vector<float>() == std::vector<float>{0, 0, 1, 2});
    // With a graph nobody could tell which of its kernels it was.
    const WithFaults broken({.kernels = cudaErrorIllegalAddress});
    const std::string error = error_of([&] {
      program.replay();
      device->synchronize();
    });
    expect_texts(error, {"cudaErrorIllegalAddress", "activation_forward"});
  }
}

TEST_CASE("cuda: a recorded program keeps its memory and its backend") {
  Tensor x, y;
  Program program;
  {
    const Device device = open_cuda();
    x = Tensor::from<float>(device, {1, 4, 6, 3}, draw(72, 1));
    const Tensor w = Tensor::from<float>(device, {3, 3, 3, 8}, draw(216, 2));
    program = record([&] { y = relu(conv2d(x, w)); });
    program.compile();
  }
  program.replay();
  const std::vector<float> first = y.to_vector<float>();
  x.upload(std::vector<float>(72, 0.0f));
  program.replay();
  CHECK(y.to_vector<float>() == std::vector<float>(first.size(), 0.0f));
  x.upload(draw(72, 1));
  program.replay();
  CHECK(y.to_vector<float>() == first);
}
