// The CPU backend's matrix products and convolutions against the plain loops, for each instruction set that
// this processor has, in fp32 and in bf16. Values are small integers, so that every sum is exact in whatever
// order it is taken, and the results have to be equal; memory around the results must stay as it was.
// (Winograd's method, which is not exact, has cpu_winograd_test.cpp.)

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "backends/cpu/backend.h"
#include "backends/reference/kernels.h"
#include "engine/error.h"
#include "engine/random.h"

using namespace tapeline;

namespace {

constexpr std::int64_t kGuard = 32;
constexpr float kUntouched = 12345.0f;

/// Opens the CPU with an instruction set; null where the processor lacks it, or it the precision.
std::shared_ptr<Backend> open_with(const char* isa, int threads, Precision precision) {
  setenv("TAPELINE_CPU", isa, 1);
  std::shared_ptr<Backend> backend;
  try {
    backend = open_cpu(threads, precision);
  } catch (const Error&) {
  }
  unsetenv("TAPELINE_CPU");
  return backend;
}

/// A tensor between two guards.
View make(const std::shared_ptr<Backend>& backend, const Shape& shape) {
  const auto bytes = static_cast<std::size_t>(shape.elements() + 2 * kGuard) * sizeof(float);
  View view;
  view.storage = std::make_shared<Storage>(Storage{backend, bytes, backend->allocate(bytes), 0});
  view.offset = kGuard * sizeof(float);
  view.shape = shape;
  float* data = view.data<float>() - kGuard;
  for (std::int64_t i = 0; i < shape.elements() + 2 * kGuard; ++i) data[i] = kUntouched;
  return view;
}

View integers(const std::shared_ptr<Backend>& backend, const Shape& shape, Random& random) {
  const View view = make(backend, shape);
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    view.data<float>()[i] = static_cast<float>(random.integer(-4, 4));
  return view;
}

View copy_of(const std::shared_ptr<Backend>& backend, const View& from) {
  const View view = make(backend, from.shape);
  std::memcpy(view.data<float>(), from.data<float>(), from.bytes());
  return view;
}

void check_guards(const View& view) {
  const float* data = view.data<float>();
  bool untouched = true;
  for (std::int64_t i = 1; i <= kGuard; ++i)
    untouched = untouched && data[-i] == kUntouched && data[view.elements() - 1 + i] == kUntouched;
  CHECK(untouched);
}

std::int64_t differences(const View& a, const View& b, float tolerance = 0) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i)
    count += !(std::abs(a.data<float>()[i] - b.data<float>()[i]) <= tolerance);
  return count;
}

void check_equal(const View& got, const View& expected, float tolerance = 0) {
  CHECK(differences(got, expected, tolerance) == 0);
  check_guards(got);
}

template <typename Body>
void for_each_isa(Body body) {
  for (const char* isa : {"portable", "avx2", "avx512"})
    for (const Precision precision : {Precision::fp32, Precision::bf16})
      for (const int threads : {1, 3}) {
        const auto backend = open_with(isa, threads, precision);
        if (!backend) continue;
        CAPTURE(isa);
        CAPTURE(std::string(name_of(precision)));
        CAPTURE(threads);
        body(backend);
      }
}

constexpr Activation kLeaky{ActivationKind::leaky_relu, 0.5f};

struct GemmCase {
  int rows, columns, inner;
};

struct ConvCase {
  int batch, height, width, channels, out_channels, groups;
  Window2d window;
  int out_height, out_width;
};

int extent(int in, int window, int stride, int dilation, int pad_before, int pad_after) {
  return (in + pad_before + pad_after - (window - 1) * dilation - 1) / stride + 1;
}

/// Padding of `pad` at the top and left, and of `after` more at the bottom and right.
ConvCase conv(int batch, int height, int width, int channels, int out_channels, int groups, int kh, int kw,
              int sh, int sw, int dh, int dw, int pad_h, int pad_w, int after = 0) {
  return {batch,
          height,
          width,
          channels,
          out_channels,
          groups,
          {kh, kw, sh, sw, dh, dw, pad_h, pad_w},
          extent(height, kh, sh, dh, pad_h, pad_h + after),
          extent(width, kw, sw, dw, pad_w, pad_w + after)};
}

}  // namespace

TEST_CASE("cpu: products of matrices of odd shapes are those of plain loops") {
  const GemmCase cases[] = {{1, 1, 1},     {1, 1, 300},   {3, 5, 7},      {14, 32, 256}, {15, 33, 257},
                            {13, 31, 255}, {1, 70, 40},   {2, 8, 513},    {29, 20, 64},  {28, 37, 300},
                            {30, 100, 3},  {131, 17, 65}, {113, 129, 31}, {5, 3, 0},     {0, 4, 4},
                            {4, 0, 4},     {9, 40, 3000}, {397, 34, 2200}};
  for_each_isa([&](const std::shared_ptr<Backend>& backend) {
    Random random(1);
    for (const GemmCase& c : cases)
      for (int options = 0; options < 32; ++options) {
        CAPTURE(c.rows);
        CAPTURE(c.columns);
        CAPTURE(c.inner);
        CAPTURE(options);
        if (c.inner > 1000 && options % 8 != 1 && options % 8 != 5) continue;
        Gemm k;
        k.rows = c.rows;
        k.columns = c.columns;
        k.inner = c.inner;
        k.transpose_a = options & 1;
        k.transpose_b = options & 2;
        k.accumulate = options & 4;
        if (options & 16) k.activation = kLeaky;
        k.a = integers(backend, {c.rows, c.inner}, random);
        k.b = integers(backend, {c.inner, c.columns}, random);
        if (options & 8) k.bias = integers(backend, {c.columns}, random);
        k.c = integers(backend, {c.rows, c.columns}, random);
        Gemm expected = k;
        expected.c = copy_of(backend, k.c);
        reference::run(expected);
        backend->run(k);
        check_equal(k.c, expected.c);
      }
  });
}

TEST_CASE("cpu: fused activations of a product") {
  for_each_isa([](const std::shared_ptr<Backend>& backend) {
    Random random(2);
    for (const ActivationKind kind :
         {ActivationKind::none, ActivationKind::relu, ActivationKind::relu6, ActivationKind::leaky_relu,
          ActivationKind::sigmoid, ActivationKind::tanh}) {
      Gemm k;
      k.rows = 17;
      k.columns = 45;
      k.inner = 3;
      k.activation = {kind, 0.25f};
      k.a = integers(backend, {17, 3}, random);
      k.b = integers(backend, {3, 45}, random);
      k.c = make(backend, {17, 45});
      Gemm expected = k;
      expected.c = make(backend, {17, 45});
      reference::run(expected);
      backend->run(k);
      check_equal(k.c, expected.c,
                  kind == ActivationKind::sigmoid || kind == ActivationKind::tanh ? 3e-7f : 0);
    }
  });
}

TEST_CASE("cpu: NaN and infinity pass through a product") {
  for_each_isa([](const std::shared_ptr<Backend>& backend) {
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      Random random(3);
      Gemm k;
      k.rows = 4;
      k.columns = 40;
      k.inner = 9;
      k.activation = {ActivationKind::relu};
      k.a = integers(backend, {4, 9}, random);
      for (int i = 0; i < 9; ++i) k.a.data<float>()[2 * 9 + i] = 1;
      k.b = integers(backend, {9, 40}, random);
      k.b.data<float>()[39] = value;
      k.c = make(backend, {4, 40});
      backend->run(k);
      const float result = k.c.data<float>()[2 * 40 + 39];
      CHECK((std::isnan(value) ? std::isnan(result) : result == value));
    }
  });
}

TEST_CASE("cpu: convolutions of odd shapes, forward and both ways back, are those of plain loops") {
  const ConvCase cases[] = {
      conv(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0),     conv(2, 7, 9, 1, 64, 1, 3, 3, 1, 1, 1, 1, 1, 1),
      conv(2, 7, 9, 3, 20, 1, 3, 3, 1, 1, 1, 1, 1, 1),    conv(3, 5, 6, 16, 33, 1, 3, 3, 1, 1, 1, 1, 1, 1),
      conv(1, 6, 11, 40, 17, 1, 3, 3, 1, 1, 1, 1, 0, 0),  conv(2, 8, 9, 5, 7, 1, 3, 3, 2, 2, 1, 1, 1, 1),
      conv(2, 8, 8, 5, 7, 1, 3, 3, 2, 2, 1, 1, 0, 0, 1),  conv(1, 9, 13, 4, 6, 1, 5, 3, 3, 2, 1, 1, 2, 1),
      conv(1, 9, 13, 4, 6, 1, 2, 2, 3, 3, 1, 1, 0, 0),    conv(1, 9, 12, 6, 10, 1, 3, 3, 1, 1, 2, 3, 2, 3),
      conv(1, 11, 12, 6, 10, 1, 3, 3, 2, 2, 2, 2, 1, 2),  conv(1, 13, 12, 3, 4, 1, 4, 3, 4, 3, 2, 2, 3, 2),
      conv(2, 5, 7, 18, 36, 1, 1, 1, 1, 1, 1, 1, 0, 0),   conv(2, 6, 7, 8, 9, 1, 1, 1, 2, 2, 1, 1, 0, 0),
      conv(2, 5, 7, 8, 12, 2, 3, 3, 1, 1, 1, 1, 1, 1),    conv(2, 6, 7, 9, 6, 3, 3, 3, 2, 1, 1, 2, 1, 1),
      conv(2, 5, 7, 4, 8, 4, 3, 3, 1, 1, 1, 1, 1, 1),     conv(2, 6, 9, 35, 35, 35, 3, 3, 1, 1, 1, 1, 1, 1),
      conv(2, 7, 9, 18, 18, 18, 3, 5, 2, 2, 1, 1, 1, 2),  conv(1, 7, 9, 3, 3, 3, 2, 3, 2, 1, 2, 3, 0, 4),
      conv(2, 3, 4, 2, 3, 1, 7, 7, 1, 1, 1, 1, 3, 3),     conv(1, 4, 40, 2, 3, 1, 4, 1, 1, 1, 1, 1, 0, 0),
      conv(1, 30, 41, 31, 40, 1, 3, 3, 1, 1, 1, 1, 1, 1), conv(0, 5, 5, 2, 3, 1, 3, 3, 1, 1, 1, 1, 1, 1),
      conv(3, 2, 700, 1, 5, 1, 1, 9, 1, 1, 1, 1, 0, 4),
  };
  for_each_isa([&](const std::shared_ptr<Backend>& backend) {
    Random random(4);
    int number = 0;
    for (const ConvCase& c : cases) {
      CAPTURE(number++);
      Conv2dGeometry g;
      g.batch = c.batch;
      g.in_height = c.height;
      g.in_width = c.width;
      g.in_channels = c.channels;
      g.out_height = c.out_height;
      g.out_width = c.out_width;
      g.out_channels = c.out_channels;
      g.groups = c.groups;
      g.window = c.window;
      const Shape in{c.batch, c.height, c.width, c.channels};
      const Shape out{c.batch, c.out_height, c.out_width, c.out_channels};
      const Shape weights{c.window.height, c.window.width, c.channels / c.groups, c.out_channels};

      Conv2dForward forward;
      forward.geometry = g;
      forward.input = integers(backend, in, random);
      forward.weight = integers(backend, weights, random);
      for (const bool with_bias : {false, true}) {
        forward.bias = with_bias ? integers(backend, {c.out_channels}, random) : View();
        forward.activation = with_bias ? kLeaky : Activation();
        forward.output = make(backend, out);
        Conv2dForward expected = forward;
        expected.output = make(backend, out);
        reference::run(expected);
        backend->run(forward);
        check_equal(forward.output, expected.output);
      }

      Conv2dBackwardInput input;
      input.geometry = g;
      input.weight = forward.weight;
      input.grad_output = integers(backend, out, random);
      input.grad_input = make(backend, in);
      Conv2dBackwardInput expected_input = input;
      expected_input.grad_input = make(backend, in);
      reference::run(expected_input);
      backend->run(input);
      check_equal(input.grad_input, expected_input.grad_input);

      Conv2dBackwardWeight weight;
      weight.geometry = g;
      weight.input = forward.input;
      weight.grad_output = input.grad_output;
      weight.grad_weight = make(backend, weights);
      weight.grad_bias = make(backend, {c.out_channels});
      Conv2dBackwardWeight expected_weight = weight;
      expected_weight.grad_weight = make(backend, weights);
      expected_weight.grad_bias = make(backend, {c.out_channels});
      reference::run(expected_weight);
      backend->run(weight);
      check_equal(weight.grad_weight, expected_weight.grad_weight);
      check_equal(weight.grad_bias, expected_weight.grad_bias);
    }
  });
}

TEST_CASE("cpu: the number of threads does not change a bit") {
  for (const auto& [isa, precision] : {std::pair{"portable", Precision::fp32},
                                       {"avx2", Precision::fp32},
                                       {"avx512", Precision::fp32},
                                       {"portable", Precision::bf16},
                                       {"avx512", Precision::bf16}}) {
    const auto one = open_with(isa, 1, precision), four = open_with(isa, 4, precision);
    if (!one) continue;
    CAPTURE(isa);
    CAPTURE(std::string(name_of(precision)));
    Random random(5);
    const auto uniform = [&](const Shape& shape) {
      const View view = make(one, shape);
      for (std::int64_t i = 0; i < shape.elements(); ++i) view.data<float>()[i] = random.uniform(-1, 1);
      return view;
    };
    for (const bool transpose_a : {false, true}) {
      Gemm k;
      k.rows = 150;
      k.columns = 70;
      k.inner = 4000;
      k.transpose_a = transpose_a;
      k.a = uniform({k.rows, k.inner});
      k.b = uniform({k.inner, k.columns});
      k.c = make(one, {k.rows, k.columns});
      Gemm other = k;
      other.c = make(one, {k.rows, k.columns});
      one->run(k);
      four->run(other);
      CHECK(differences(k.c, other.c) == 0);
    }
    Conv2dBackwardWeight k;
    k.geometry = {4, 40, 50, 3, 40, 50, 24, 1, {3, 3, 1, 1, 1, 1, 1, 1}};
    k.input = uniform({4, 40, 50, 3});
    k.grad_output = uniform({4, 40, 50, 24});
    k.grad_weight = make(one, {3, 3, 3, 24});
    k.grad_bias = make(one, {24});
    Conv2dBackwardWeight other = k, plain = k;
    other.grad_weight = make(one, {3, 3, 3, 24});
    other.grad_bias = make(one, {24});
    plain.grad_weight = make(one, {3, 3, 3, 24});
    plain.grad_bias = make(one, {24});
    one->run(k);
    four->run(other);
    reference::run(plain);
    CHECK(differences(k.grad_weight, other.grad_weight) == 0);
    CHECK(differences(k.grad_bias, other.grad_bias) == 0);
    check_equal(k.grad_weight, plain.grad_weight, precision == Precision::bf16 ? .5f : 1e-3f);
    check_equal(k.grad_bias, plain.grad_bias, 1e-3f);
  }
}
