// The CPU backend's element-wise kernels, copies, reductions and optimisers against the plain loops.

#include "tests/engine/cpu_kernels.h"

using namespace tapeline;
using namespace tapeline::cpu_kernels;

namespace {

constexpr float kNan = NAN, kInf = INFINITY;
const std::vector<float> kSpecial{0.0f, -0.0f, 1.0f, -1.0f,  kNan,   kInf,  -kInf,
                                  5.5f, 6.0f,  7.0f, 1e-20f, -30.0f, 90.0f, -200.0f};
const std::vector<Shape> kShapes{{1}, {0}, {3, 5}, {17}, {2, 64}, {100003}};

constexpr Activation kActivations[] = {{ActivationKind::none},    {ActivationKind::relu},
                                       {ActivationKind::relu6},   {ActivationKind::leaky_relu, 0.01f},
                                       {ActivationKind::sigmoid}, {ActivationKind::tanh}};

}  // namespace

TEST_CASE("cpu kernels: activations") {
  for (const Activation& activation : kActivations) {
    CAPTURE(static_cast<int>(activation.kind));
    for (const Shape& shape : kShapes) {
      compare(
          [&](Operands& make) {
            return ActivationForward{make.floats(shape, -8, 8), make.empty(shape), activation};
          },
          1e-6);
      compare(
          [&](Operands& make) {
            return ActivationBackward{make.floats(shape, -1, 7), make.floats(shape), make.empty(shape),
                                      activation};
          },
          1e-6);
    }
    compare(
        [&](Operands& make) {
          return ActivationForward{make.values({14}, kSpecial), make.empty({14}), activation};
        },
        1e-6);
    compare(
        [&](Operands& make) {
          const View both = make.floats({1000});
          return ActivationForward{both, both, activation};
        },
        1e-6);
    compare(
        [&](Operands& make) {
          return ActivationForward{make.doubles({33}), make.empty({33}, DType::f64), activation};
        },
        0);
  }
}

TEST_CASE("cpu kernels: unary") {
  for (const UnaryKind kind : {UnaryKind::affine, UnaryKind::exp, UnaryKind::log, UnaryKind::sqrt,
                               UnaryKind::square, UnaryKind::reciprocal, UnaryKind::abs, UnaryKind::sign}) {
    CAPTURE(static_cast<int>(kind));
    const double scale = kind == UnaryKind::affine ? 2.5 : 1;
    for (const Shape& shape : kShapes)
      compare(
          [&](Operands& make) {
            return Unary{
                make.floats(shape, kind == UnaryKind::log || kind == UnaryKind::sqrt ? 1e-3f : -5.0f, 5),
                make.empty(shape), kind, scale, -0.75};
          },
          1e-6);
    compare(
        [&](Operands& make) {
          return Unary{make.values({14}, kSpecial), make.empty({14}), kind, scale, -0.75};
        },
        1e-6);
  }
}

TEST_CASE("cpu kernels: binary, with broadcasting") {
  struct Case {
    Shape a, b;
  };
  const std::vector<Case> cases{{{5}, {5}},
                                {{}, {}},
                                {{3, 1}, {1, 17}},
                                {{4, 3, 20}, {20}},
                                {{4, 3, 20}, {3, 1}},
                                {{1}, {7, 9}},
                                {{2, 1, 3, 1, 33}, {1, 4, 1, 2, 33}},
                                {{2, 3, 4, 5, 2, 2}, {2, 1, 4, 1, 2, 1}},
                                {{0, 4}, {4}},
                                {{70000}, {70000}},
                                {{300, 1, 129}, {3, 1}}};
  for (const BinaryKind kind : {BinaryKind::add, BinaryKind::subtract, BinaryKind::multiply,
                                BinaryKind::divide, BinaryKind::maximum, BinaryKind::minimum})
    for (const auto& [a, b] : cases) {
      CAPTURE(a.text());
      CAPTURE(b.text());
      compare(
          [&](Operands& make) {
            return Binary{make.floats(a), make.floats(b), make.empty(broadcast(a, b, "test")), kind};
          },
          1e-6);
    }
  for (const BinaryKind kind : {BinaryKind::maximum, BinaryKind::minimum})
    compare(
        [&](Operands& make) {
          return Binary{make.values({14, 1}, kSpecial), make.values({14}, kSpecial), make.empty({14, 14}),
                        kind};
        },
        0);
  compare(
      [&](Operands& make) {
        const View a = make.floats({50, 20});
        return Binary{a, make.floats({20}), a, BinaryKind::multiply};
      },
      1e-6);
}

TEST_CASE("cpu kernels: fill") {
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::u8})
    for (const double value : {0.0, -0.0, 3.25})
      for (const Shape& shape : kShapes)
        compare([&](Operands& make) { return Fill{make.empty(shape, dtype), value}; }, 0);
}

TEST_CASE("cpu kernels: cast") {
  for (const Shape& shape : {Shape{1}, Shape{0}, Shape{37}, Shape{70001}}) {
    for (const DType dtype : {DType::f16, DType::bf16}) {
      compare([&](Operands& make) { return Cast{make.words(shape, dtype), make.empty(shape)}; }, 0);
      for (const float limit : {1e-7f, 1.0f, 1e5f})
        compare(
            [&](Operands& make) {
              return Cast{make.floats(shape, -limit, limit), make.empty(shape, dtype)};
            },
            0);
    }
    compare([&](Operands& make) { return Cast{make.bytes(shape), make.empty(shape)}; }, 0);
    compare(
        [&](Operands& make) {
          return Cast{make.integers(shape, -1000000000, 1000000000), make.empty(shape)};
        },
        0);
    compare([&](Operands& make) { return Cast{make.floats(shape), make.empty(shape, DType::i32)}; }, 0);
  }
  // Around the limits of f16: largest, overflow, ties, subnormal, smallest and half of it.
  const std::vector<float> edges{65504,          65519.99f,  65520,   1e30f,    kInf,     -kInf,    kNan,
                                 1.00048828125f, 1.0014648f, 6.1e-5f, 5.96e-8f, 2.98e-8f, 2.99e-8f, -0.0f};
  for (const DType dtype : {DType::f16, DType::bf16})
    compare([&](Operands& make) { return Cast{make.values({14}, edges), make.empty({14}, dtype)}; }, 0);
}

TEST_CASE("cpu kernels: copy") {
  const auto contiguous = [](const Shape& shape) {
    std::array<std::int64_t, Shape::kMaxRank> strides{};
    std::int64_t stride = 1;
    for (int i = shape.rank() - 1; i >= 0; stride *= shape[i--])
      strides[static_cast<std::size_t>(i)] = stride;
    return strides;
  };
  const auto check = [&](Copy copy, std::int64_t input_size, std::int64_t output_size) {
    CAPTURE(copy.box.text());
    const auto with = [&](auto make_input, DType dtype) {
      compare(
          [&](Operands& make) {
            Copy k = copy;
            k.input = make_input(make);
            k.output = make.empty({output_size}, dtype);
            std::memset(k.output.data<std::byte>(), 0x11, k.output.bytes());
            return k;
          },
          0);
    };
    with([&](Operands& make) { return make.floats({input_size}); }, DType::f32);
    with([&](Operands& make) { return make.doubles({input_size}); }, DType::f64);
    if (copy.accumulate) return;
    with([&](Operands& make) { return make.words({input_size}, DType::f16); }, DType::f16);
    with([&](Operands& make) { return make.bytes({input_size}); }, DType::u8);
  };

  for (const bool accumulate : {false, true}) {
    Copy k;
    k.accumulate = accumulate;
    // All of it; nothing of it; one element.
    for (const std::int64_t size : {std::int64_t{0}, std::int64_t{1}, std::int64_t{100003}}) {
      k.box = {size};
      k.input_strides = k.output_strides = contiguous(k.box);
      check(k, size, size);
    }
    // [N, H, W, C] to [N, W, H C].
    for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{3, 11, 22, 64}, Shape{1, 1, 1, 1}}) {
      k.box = shape;
      k.input_strides = contiguous(shape);
      k.output_strides = {shape[1] * shape[2] * shape[3], shape[3], shape[1] * shape[3], 1};
      check(k, shape.elements(), shape.elements());
    }
    // Transpositions, plain and with an axis between.
    for (const Shape& shape : {Shape{33, 1, 70}, Shape{5, 6, 7}, Shape{200, 3, 200}}) {
      k.box = shape;
      k.input_strides = contiguous(shape);
      k.output_strides = {1, shape[0], shape[0] * shape[1]};
      check(k, shape.elements(), shape.elements());
    }
    // A slice into the middle; every other element, backwards; a repetition.
    k.box = {4, 9};
    k.input_strides = {20, 1};
    k.output_strides = {15, 1};
    k.input_start = 7;
    k.output_start = 3;
    check(k, 100, 70);
    k.box = {50, 3};
    k.input_strides = {-6, 2};
    k.input_start = 49 * 6;
    k.output_strides = {3, 1};
    k.output_start = 0;
    check(k, 50 * 6, 150);
    k.box = {3, 8, 40};
    k.input_strides = {0, 1, 0};
    k.output_strides = {320, 40, 1};
    k.input_start = 0;
    check(k, 8, 960);
  }
  // Many elements added into one.
  Copy k;
  k.accumulate = true;
  k.box = {10, 6};
  k.input_strides = {6, 1};
  k.output_strides = {0, 1};
  check(k, 60, 6);
}

TEST_CASE("cpu kernels: reduce") {
  struct Case {
    Shape input, output;
  };
  const std::vector<Case> cases{{{1}, {1}},
                                {{5}, {5}},
                                {{7, 3}, {1, 3}},
                                {{7, 3}, {7, 1}},
                                {{3, 50, 17}, {3, 1, 17}},
                                {{3, 5, 17}, {1, 5, 1}},
                                {{2, 3, 4, 5}, {1, 1, 1, 1}},
                                {{100003}, {1}},
                                {{3000, 37}, {1, 37}},
                                {{40, 5000}, {1, 5000}},
                                {{2, 40000}, {2, 1}},
                                {{0, 3}, {1, 3}},
                                {{3, 0}, {3, 1}},
                                {{0, 3}, {0, 1}}};
  for (const ReduceKind kind : {ReduceKind::sum, ReduceKind::mean, ReduceKind::maximum}) {
    for (const auto& [input, output] : cases) {
      CAPTURE(input.text());
      compare([&](Operands& make) { return Reduce{make.floats(input), make.empty(output), kind}; }, 1e-7);
    }
    compare(
        [&](Operands& make) {
          return Reduce{make.values({14, 3}, kSpecial), make.empty({14, 1}), kind};
        },
        0);
  }
}

TEST_CASE("cpu kernels: dropout draws the same mask as the reference") {
  for (const Shape& shape : {Shape{1}, Shape{0}, Shape{63}, Shape{50, 33}, Shape{70001}})
    for (const float rate : {0.0f, 0.2f, 0.999f})
      compare(
          [&](Operands& make) {
            return Dropout{make.floats(shape), make.empty(shape), make.values<std::int32_t>({3}, {-5, 77, 3}),
                           9, rate};
          },
          1e-6);
  compare(
      [&](Operands& make) {
        return Dropout{make.values({140}, kSpecial), make.empty({140}), make.integers({3}, 0, 100), 1, 0.5f};
      },
      1e-6);
}

TEST_CASE("cpu kernels: mask") {
  for (const Shape& shape : {Shape{3, 2, 7, 5}, Shape{0, 2, 7, 5}, Shape{5, 10, 33, 64}}) {
    const auto widths = std::vector<std::int32_t>{3, 0, 7, 33, 100};
    compare(
        [&](Operands& make) {
          return MaskColumns{make.floats(shape), make.empty(shape), make.values({shape[0]}, widths)};
        },
        0);
    compare(
        [&](Operands& make) {
          const View both = make.floats(shape);
          return MaskColumns{both, both, make.values({shape[0]}, widths)};
        },
        0);
  }
}

TEST_CASE("cpu kernels: optimisers") {
  const std::vector<Shape> tensors{{3, 3, 1, 5}, {64}, {1}, {0}, {40000}, {17, 3}};
  for (const float scale : {1.0f, 0.25f, 0.0f})
    for (const float weight_decay : {0.0f, 0.1f})
      for (const bool moments : {true, false}) {
        const auto group = [&](Operands& make, bool second, bool needs_first) {
          OptimizerGroup g;
          for (const Shape& shape : tensors) {
            g.parameters.push_back(make.floats(shape));
            g.gradients.push_back(make.floats(shape));
            if (moments || needs_first) g.first.push_back(make.floats(shape, 0, 1));
            if (second) g.second.push_back(make.floats(shape, 0, 1));
          }
          g.hyper = make.values<float>({3}, {0.01f, 0.3f, 0.02f});
          if (scale != 1) g.gradient_scale = make.values<float>({}, {scale});
          g.weight_decay = weight_decay;
          return g;
        };
        const float momentum = moments ? 0.9f : 0;
        compare([&](Operands& make) { return SgdStep{group(make, false, false), momentum, moments}; }, 1e-6);
        compare(
            [&](Operands& make) {
              return AdamStep{group(make, true, true), 0.9f, 0.999f, 1e-8f, moments};
            },
            1e-6);
        compare([&](Operands& make) { return RmsPropStep{group(make, true, false), 0.99f, momentum}; }, 1e-6);
        compare([&](Operands& make) { return AdadeltaStep{group(make, true, true)}; }, 1e-6);
      }
}

TEST_CASE("cpu kernels: an update with a scale of 0 does not spread NaN") {
  compare(
      [&](Operands& make) {
        OptimizerGroup g;
        g.parameters = {make.floats({20})};
        g.gradients = {make.values<float>({20}, {kNan, kInf})};
        g.hyper = make.values<float>({3}, {0.01f, 0.3f, 0.02f});
        g.gradient_scale = make.values<float>({}, {0});
        return SgdStep{g};
      },
      1e-6);
}

TEST_CASE("cpu kernels: global norm") {
  for (const float limit : {0.0f, 1.0f, 1e6f})
    for (const float size : {1.0f, 1e25f})
      compare(
          [&](Operands& make) {
            return GlobalNorm{{make.floats({50000}, -size, size), make.floats({0}), make.floats({3, 7})},
                              make.empty({}),
                              make.empty({}),
                              limit};
          },
          1e-6);
  for (const float limit : {0.0f, 1.0f})
    compare(
        [&](Operands& make) {
          return GlobalNorm{{make.floats({50000}, -1, 1)},
                            make.empty({}),
                            make.empty({}),
                            limit,
                            make.values<float>({}, {512})};
        },
        1e-6);
  for (const float value : {kNan, kInf})
    compare(
        [&](Operands& make) {
          return GlobalNorm{{make.values<float>({3}, {1, value, 1})}, make.empty({}), make.empty({}), 1};
        },
        0);
  compare([&](Operands& make) { return GlobalNorm{{}, make.empty({}), make.empty({}), 1}; }, 0);
}
