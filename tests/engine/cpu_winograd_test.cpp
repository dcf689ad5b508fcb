// Winograd's method against the direct sum in double precision, on random data, for each instruction set, in
// fp32 and in bf16.

#include <cmath>

#include "backends/cpu/conv2d_algorithm.h"
#include "tests/engine/cpu_kernels.h"

using namespace tapeline;
using namespace tapeline::cpu_kernels;

namespace {

/// As backends/cpu/conv2d_winograd.h states it: of the largest sum of |x| |w| behind any output.
struct Bounds {
  double outputs, weights;  // weights: of the gradient of the weights
};
constexpr Bounds kInFp32{2e-6, 2e-6}, kInBf16{1.5e-2, 4e-2};

/// backends(), or those of them that compute in bf16.
std::vector<OpenBackend> backends_in(Precision precision) {
  if (precision == Precision::fp32) return backends();
  std::vector<OpenBackend> open;
  for (const auto& [isa, threads, backend] : backends()) {
    setenv("TAPELINE_CPU", isa.c_str(), 1);
    try {
      open.push_back({isa, threads, open_cpu(threads, precision)});
    } catch (const Error&) {
    }
  }
  unsetenv("TAPELINE_CPU");
  return open;
}

struct Case {
  int batch, height, width, in, out;
  int pad_top = 1, pad_left = 1, pad_bottom = 1, pad_right = 1;

  Conv2dGeometry geometry() const {
    const int rows = height + pad_top + pad_bottom - 2, columns = width + pad_left + pad_right - 2;
    return {batch, height, width, in, rows, columns, out, 1, {3, 3, 1, 1, 1, 1, pad_top, pad_left}};
  }
};

// Tiles that are cut off below and at the right, channels that no vector and no block divides, paddings, and
// (the fourth) more tiles than one group a thread holds.
const std::vector<Case> kCases{{1, 4, 4, 32, 32},
                               {2, 5, 7, 33, 40},
                               {1, 1, 1, 32, 65},
                               {3, 17, 37, 32, 33},
                               {1, 6, 9, 300, 35},
                               {1, 2, 30, 40, 270},
                               {2, 7, 6, 34, 32, 0, 0, 0, 0},
                               {1, 5, 6, 32, 39, 2, 0, 1, 2},
                               {1, 8, 8, 32, 32, 0, 3, 3, 0},
                               {0, 8, 8, 32, 32}};

Conv2dForward forward(Operands& make, const Case& c) {
  Conv2dForward k;
  k.geometry = c.geometry();
  k.input = make.floats({c.batch, c.height, c.width, c.in});
  k.weight = make.floats({3, 3, c.in, c.out});
  k.bias = make.floats({c.out});
  k.output = make.empty({c.batch, k.geometry.out_height, k.geometry.out_width, c.out});
  return k;
}

Conv2dBackwardInput backward_input(Operands& make, const Case& c) {
  Conv2dBackwardInput k;
  k.geometry = c.geometry();
  k.grad_output = make.floats({c.batch, k.geometry.out_height, k.geometry.out_width, c.out});
  k.weight = make.floats({3, 3, c.in, c.out});
  k.grad_input = make.empty({c.batch, c.height, c.width, c.in});
  return k;
}

Conv2dBackwardWeight backward_weight(Operands& make, const Case& c) {
  Conv2dBackwardWeight k;
  k.geometry = c.geometry();
  k.input = make.floats({c.batch, c.height, c.width, c.in});
  k.grad_output = make.floats({c.batch, k.geometry.out_height, k.geometry.out_width, c.out});
  k.grad_weight = make.empty({3, 3, c.in, c.out});
  k.grad_bias = make.empty({c.out});
  return k;
}

void make_positive(const View& view) {
  for (std::int64_t i = 0; i < view.elements(); ++i) view.data<float>()[i] = std::abs(view.data<float>()[i]);
}

double largest(const View& view) {
  double most = 0;
  for (std::int64_t i = 0; i < view.elements(); ++i)
    most = std::max(most, std::abs(static_cast<double>(view.data<float>()[i])));
  return most;
}

/// The largest error over the largest sum of |x| |w|, of every instruction set; bits for every number of
/// threads. `make(operands)` returns the kernel.
template <typename Make>
double check_error(Precision precision, double bound, const Make& make) {
  Operands wanted_operands, positive_operands;
  const auto wanted = make(wanted_operands);
  auto positive = make(positive_operands);
  reference::run(wanted);
  visit_views(
      positive, [](const View& view) { make_positive(view); }, [](const View&) {});
  reference::run(positive);
  const View truth = outputs_of(wanted).front();
  const double scale = largest(outputs_of(positive).front());
  double worst = 0;
  std::vector<std::byte> one_thread;
  for (const auto& [isa, threads, backend] : backends_in(precision)) {
    CAPTURE(isa);
    CAPTURE(threads);
    Operands operands;
    const auto kernel = make(operands);
    backend->run(kernel);
    CHECK(operands.untouched());
    const View found = outputs_of(kernel).front();
    double error = 0;
    for (std::int64_t i = 0; i < found.elements(); ++i) {
      const double off = std::abs(static_cast<double>(found.data<float>()[i]) - truth.data<float>()[i]);
      error = off <= error ? error : off;  // a NaN stays
    }
    CHECK(error <= bound * scale);
    worst = std::max(worst, error / std::max(scale, 1e-30));
    const auto* bytes = found.data<std::byte>();
    std::vector<std::byte> bits(bytes, bytes + found.bytes());
    if (threads == 1)
      one_thread = std::move(bits);
    else
      CHECK((bits == one_thread));
  }
  return worst;
}

}  // namespace

TEST_CASE("cpu winograd: the error is bounded") {
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    CAPTURE(std::string(name_of(precision)));
    const Bounds bounds = precision == Precision::bf16 ? kInBf16 : kInFp32;
    Bounds worst{};
    const auto check = [&](double Bounds::*which, const auto& make) {
      worst.*which = std::max(worst.*which, check_error(precision, bounds.*which, make));
    };
    for (const Case& c : kCases) {
      CAPTURE(c.height);
      CAPTURE(c.width);
      CAPTURE(c.in);
      CAPTURE(c.out);
      CHECK(cpu::winograd_tile(c.geometry(), precision));
      check(&Bounds::outputs, [&](Operands& make) -> Kernel { return forward(make, c); });
      check(&Bounds::outputs, [&](Operands& make) -> Kernel { return backward_input(make, c); });
      check(&Bounds::weights, [&](Operands& make) -> Kernel { return backward_weight(make, c); });
    }
    MESSAGE("largest error in ", std::string(name_of(precision)),
            ", of the largest sum of |x| |w|: ", worst.outputs, ", of gradients of weights ", worst.weights);
  }
}

TEST_CASE("cpu winograd: an activation at its end") {
  for (const ActivationKind kind : {ActivationKind::relu, ActivationKind::leaky_relu, ActivationKind::tanh})
    compare(
        [&](Operands& make) {
          Conv2dForward k = forward(make, {2, 5, 6, 32, 35});
          k.activation = {kind, .1f};
          return k;
        },
        1e-3);
}

TEST_CASE("cpu winograd: the gradient of the bias comes with that of the weights") {
  compare([](Operands& make) { return backward_weight(make, {3, 17, 37, 32, 33}); }, 1e-3);
}

TEST_CASE("cpu winograd: an image has the same bits alone, in a batch, and with zeros at its right") {
  constexpr int kHeight = 5, kChannels = 32, kNarrow = 6, kWide = 17;
  std::vector<OpenBackend> all = backends_in(Precision::fp32);
  for (OpenBackend& in_bf16 : backends_in(Precision::bf16)) all.push_back(std::move(in_bf16));
  for (const auto& [isa, threads, backend] : all) {
    CAPTURE(isa);
    Operands make;
    Conv2dForward both = forward(make, {2, kHeight, kWide, kChannels, kChannels});
    Conv2dForward alone = forward(make, {1, kHeight, kNarrow, kChannels, kChannels});
    alone.weight = both.weight;
    alone.bias = both.bias;
    // The second image of the batch is the one alone.
    const auto pixel = [](const View& view, int n, int y, int x) {
      return view.data<float>() + ((n * kHeight + y) * view.shape[2] + x) * kChannels;
    };
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWide; ++x)
        for (int c = 0; c < kChannels; ++c)
          pixel(both.input, 1, y, x)[c] = x < kNarrow ? pixel(alone.input, 0, y, x)[c] : 0;
    backend->run(both);
    backend->run(alone);
    for (int y = 0; y < kHeight; ++y)
      CHECK(std::memcmp(pixel(both.output, 1, y, 0), pixel(alone.output, 0, y, 0),
                        kNarrow * kChannels * sizeof(float)) == 0);
  }
}
