#include "engine/ops/conv2d.h"

#include <doctest/doctest.h>

#include "backends/registry.h"
#include "engine/ops/activation.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {
namespace {

Row conv(const std::string& name, Shape input, Shape weight, const Conv2dOptions& options = {}) {
  return {fmt::format("conv2d {}", name),
          {random(input), random(weight), random({weight[3]})},
          [options](const Inputs& x) { return conv2d(x[0], x[1], x[2], options); }};
}

}  // namespace

TEST_CASE("conv2d: rows") {
  const Padding valid = Padding::valid();
  check_rows({
      conv("one pixel", {1, 1, 1, 1}, {1, 1, 1, 1}),
      conv("3x3", {2, 5, 7, 3}, {3, 3, 3, 4}),
      conv("3x3 wide", {2, 8, 25, 16}, {3, 3, 16, 40}),
      conv("3x3 from one channel", {2, 9, 21, 1}, {3, 3, 1, 64}),
      conv("3x3 channels no tile divides", {1, 4, 5, 17}, {3, 3, 17, 33}),
      conv("3x3 to one channel", {1, 6, 9, 5}, {3, 3, 5, 1}),
      conv("5x5 stride 2 even", {1, 8, 12, 1}, {5, 5, 1, 16}, {.stride_h = 2, .stride_w = 2}),
      conv("3x3 stride 2 odd", {2, 7, 9, 3}, {3, 3, 3, 5}, {.stride_h = 2, .stride_w = 2}),
      conv("3x3 stride 2x1", {2, 6, 11, 4}, {3, 3, 4, 6}, {.stride_h = 2}),
      conv("3x3 stride 1x3", {1, 5, 11, 2}, {3, 3, 2, 3}, {.stride_w = 3}),
      conv("2x3 valid stride 2x1", {1, 6, 8, 3}, {2, 3, 3, 2}, {.stride_h = 2, .padding = valid}),
      conv("2x1 valid takes two rows to one", {2, 2, 13, 6}, {2, 1, 6, 7}, {.padding = valid}),
      conv("7x1", {1, 9, 4, 2}, {7, 1, 2, 3}),
      conv("1x5", {1, 3, 9, 2}, {1, 5, 2, 3}),
      conv("window larger than the image", {1, 2, 3, 2}, {5, 5, 2, 3}),
      conv("2x2 stride 3", {1, 7, 8, 3}, {2, 2, 3, 4}, {.stride_h = 3, .stride_w = 3}),
      conv("1x1", {2, 5, 7, 19}, {1, 1, 19, 24}),
      conv("1x1 deep", {1, 2, 3, 400}, {1, 1, 400, 20}),
      conv("1x1 stride 2", {1, 5, 6, 3}, {1, 1, 3, 4}, {.stride_h = 2, .stride_w = 2}),
      conv("explicit padding", {2, 4, 5, 2}, {3, 3, 2, 3}, {.padding = Padding::explicit_(1, 0, 2, 3)}),
      conv("more padding than window", {1, 2, 3, 2}, {1, 1, 2, 2},
           {.padding = Padding::explicit_(2, 1, 3, 2)}),
      conv("dilation", {1, 7, 10, 2}, {3, 3, 2, 3}, {.dilation_h = 2, .dilation_w = 3}),
      conv("dilation and stride", {1, 9, 10, 2}, {3, 2, 2, 3},
           {.stride_h = 2, .stride_w = 3, .dilation_h = 2}),
      conv("two groups", {2, 4, 5, 6}, {3, 3, 3, 4}, {.groups = 2}),
      conv("four groups, stride 2", {1, 5, 5, 12}, {3, 3, 3, 20},
           {.stride_h = 2, .stride_w = 2, .groups = 4}),
      conv("depthwise", {2, 5, 6, 7}, {3, 3, 1, 7}, {.groups = 7}),
      conv("depthwise wide", {1, 4, 9, 37}, {3, 3, 1, 37}, {.groups = 37}),
      conv("depthwise two for each, stride 2", {1, 6, 7, 5}, {3, 3, 1, 10},
           {.stride_h = 2, .stride_w = 2, .groups = 5}),
      conv("depthwise dilation", {1, 7, 7, 3}, {3, 3, 1, 3}, {.dilation_h = 2, .dilation_w = 2, .groups = 3}),
      conv("one row", {1, 1, 17, 3}, {3, 3, 3, 4}),
      conv("one column", {1, 17, 1, 3}, {3, 3, 3, 4}),
      conv("empty batch", {0, 4, 5, 3}, {3, 3, 3, 4}),
      conv("empty batch, depthwise", {0, 4, 5, 3}, {3, 3, 1, 3}, {.groups = 3}),
  });
}

TEST_CASE("conv2d: rows in bf16 and fp16") {
  check_rows_in_half({
      conv("one pixel", {1, 1, 1, 1}, {1, 1, 1, 1}),
      conv("3x3 eights of channels", {2, 5, 7, 24}, {3, 3, 24, 72}),
      conv("3x3 eights of channels, many pixels", {1, 32, 32, 8}, {3, 3, 8, 128}),
      conv("3x5 eights of channels, many taps", {1, 6, 9, 64}, {3, 5, 64, 128}),
      conv("3x3 eights of channels, stride 2x1", {1, 7, 9, 32}, {3, 3, 32, 8}, {.stride_h = 2}),
      conv("3x3 eights of channels, dilation, two groups", {1, 6, 9, 128}, {3, 3, 64, 48},
           {.dilation_h = 2, .groups = 2}),
      conv("3x3", {2, 5, 7, 3}, {3, 3, 3, 4}),
      conv("3x3 wide", {2, 8, 25, 16}, {3, 3, 16, 40}),
      conv("3x3 from one channel", {2, 9, 21, 1}, {3, 3, 1, 64}),
      conv("3x3 channels no tile divides", {1, 4, 5, 17}, {3, 3, 17, 33}),
      conv("3x3, very many pixels", {2, 33, 65, 5}, {3, 3, 5, 7}),
      conv("3x3 stride 2 odd", {2, 7, 9, 3}, {3, 3, 3, 5}, {.stride_h = 2, .stride_w = 2}),
      conv("2x3 valid stride 2x1", {1, 6, 8, 3}, {2, 3, 3, 2}, {.stride_h = 2, .padding = Padding::valid()}),
      conv("window larger than the image", {1, 2, 3, 2}, {5, 5, 2, 3}),
      conv("1x1 deep", {1, 2, 3, 600}, {1, 1, 600, 20}),
      conv("dilation", {1, 7, 10, 2}, {3, 3, 2, 3}, {.dilation_h = 2, .dilation_w = 3}),
      conv("two groups", {2, 4, 5, 6}, {3, 3, 3, 4}, {.groups = 2}),
      conv("four groups, stride 2", {1, 5, 5, 12}, {3, 3, 3, 20},
           {.stride_h = 2, .stride_w = 2, .groups = 4}),
      conv("depthwise", {2, 5, 6, 7}, {3, 3, 1, 7}, {.groups = 7}),
      conv("empty batch", {0, 4, 5, 3}, {3, 3, 3, 4}),
      conv("3x3 stride 2, channels in fours", {2, 9, 11, 16}, {3, 3, 16, 24}, {.stride_h = 2, .stride_w = 2}),
      conv("dilation, odd channels", {1, 9, 12, 9}, {3, 3, 9, 11}, {.dilation_h = 2, .dilation_w = 3}),
      conv("2x3 valid stride 2x1, many channels", {2, 6, 8, 12}, {2, 3, 12, 72},
           {.stride_h = 2, .padding = Padding::valid()}),
      conv("3x3, many slabs", {3, 20, 35, 10}, {3, 3, 10, 8}),
  });
}

TEST_CASE("conv2d: activations at its end") {
  std::vector<Row> rows;
  for (const auto& [name, kind, slope] : {std::tuple{"relu", ActivationKind::relu, 0.f},
                                          {"relu6", ActivationKind::relu6, 0.f},
                                          {"leaky ReLU", ActivationKind::leaky_relu, .1f},
                                          {"sigmoid", ActivationKind::sigmoid, 0.f},
                                          {"tanh", ActivationKind::tanh, 0.f}}) {
    rows.push_back(conv(name, {2, 4, 5, 3}, {3, 3, 3, 5}, {.activation = {kind, slope}}));
    rows.push_back(conv(fmt::format("depthwise, {}", name), {1, 4, 5, 5}, {3, 3, 1, 5},
                        {.groups = 5, .activation = {kind, slope}}));
  }
  rows.push_back({"conv2d, leaky ReLU after it",
                  {random({2, 4, 9, 3}), random({3, 3, 3, 5}), random({5})},
                  [](const Inputs& x) { return leaky_relu(conv2d(x[0], x[1], x[2]), .1f); }});
  check_rows(rows);
}

TEST_CASE("conv2d: only the gradients that are wanted") {
  const auto run = [](const Inputs& x) { return conv2d(x[0], x[1], x[2]); };
  const Input x = random({1, 4, 5, 2}), w = random({3, 3, 2, 3}), b = random({3});
  const Input x0 = constant({1, 4, 5, 2}), w0 = constant({3, 3, 2, 3}), b0 = constant({3});
  check_rows({
      {"conv2d for the input", {x, w0, b0}, run},
      {"conv2d for the weight", {x0, w, b0}, run},
      {"conv2d for the bias", {x0, w0, b}, run},
      {"conv2d for weight and bias", {x0, w, b}, run},
      {"conv2d for nothing", {x0, w0, b0}, run},
      {"conv2d without bias", {x, w}, [](const Inputs& in) { return conv2d(in[0], in[1]); }},
  });
}

TEST_CASE("conv2d: the formula, in so many words") {
  // Everything differs between height and width, so that nothing can be taken for something else.
  const Tensor x = counting({2, 5, 8, 4}), w = counting({2, 3, 2, 6}), b = f64({6}, {1, 2, 3, 4, 5, 6});
  const Conv2dOptions options{.stride_h = 1,
                              .stride_w = 2,
                              .dilation_h = 3,
                              .dilation_w = 2,
                              .groups = 2,
                              .padding = Padding::explicit_(2, 1, 3, 0)};
  const Values in = values_of(x), weights = values_of(w);
  const auto at = [](std::initializer_list<int> index, std::initializer_list<int> extents) {
    int position = 0;
    for (auto i = index.begin(), e = extents.begin(); i != index.end(); ++i, ++e)
      position = position * *e + *i;
    return static_cast<std::size_t>(position);
  };
  const int rows = 5 + 2 + 1 - 3, columns = (8 + 3 - 4 - 1) / 2 + 1;
  Values wanted;
  for (int n = 0; n < 2; ++n)
    for (int y = 0; y < rows; ++y)
      for (int column = 0; column < columns; ++column)
        for (int o = 0; o < 6; ++o) {
          double sum = o + 1;
          for (int i = 0; i < 2; ++i)
            for (int j = 0; j < 3; ++j)
              for (int c = 0; c < 2; ++c) {
                const int v = y - 2 + 3 * i, u = 2 * column - 3 + 2 * j, first = o < 3 ? 0 : 2;
                if (v >= 0 && v < 5 && u >= 0 && u < 8)
                  sum += in[at({n, v, u, first + c}, {2, 5, 8, 4})] * weights[at({i, j, c, o}, {2, 3, 2, 6})];
              }
          wanted.push_back(sum);
        }
  const Tensor found = conv2d(x, w, b, options);
  CHECK(found.shape() == Shape{2, rows, columns, 6});
  CHECK(differs(found, wanted) == "");
}

TEST_CASE("conv2d: by hand") {
  const Tensor image = counting({1, 3, 3, 1}), ones = Tensor::full(reference(), {2, 2, 1, 1}, 1, DType::f64);
  CHECK(differs(conv2d(image, ones, {}, {.padding = Padding::valid()}), {12, 16, 24, 28}) == "");
  // An even window has its one row and column of padding below and at the right.
  CHECK(differs(conv2d(image, ones), {12, 16, 9, 24, 28, 15, 15, 17, 9}) == "");
  CHECK(differs(conv2d(image, ones, f64({1}, {.5}), {.stride_h = 2, .stride_w = 2}),
                {12.5, 9.5, 15.5, 9.5}) == "");
  // Not turned round: the first weight meets the first pixel.
  CHECK(differs(conv2d(image, counting({2, 2, 1, 1}), {}, {.padding = Padding::valid()}),
                {1 + 4 + 12 + 20, 2 + 6 + 15 + 24, 4 + 10 + 21 + 32, 5 + 12 + 24 + 36}) == "");
  // Two groups: output channels 0, 1 see input channel 0 only, 2, 3 see channel 1.
  CHECK(differs(conv2d(f64({1, 1, 1, 2}, {10, 100}), f64({1, 1, 1, 4}, {1, 2, 3, 4}), {}, {.groups = 2}),
                {10, 20, 300, 400}) == "");
}

TEST_CASE("conv2d: wrong input") {
  const Tensor x = zeros({2, 5, 7, 4}), w = zeros({3, 3, 4, 6});
  check_wrong({
      {[&] { conv2d({}, w); }, {"conv2d", "input", "missing"}},
      {[&] { conv2d(x, {}); }, {"conv2d", "weight", "missing"}},
      {[&] {
         conv2d(zeros({5, 7, 4}), w);
       },
       {"conv2d", "[5, 7, 4]", "rank 3", "[N, H, W, C]"}},
      {[&] {
         conv2d(x, zeros({3, 3, 4}));
       },
       {"conv2d", "weight [3, 3, 4]"}},
      {[&] {
         conv2d(x, zeros({3, 3, 5, 6}));
       },
       {"conv2d", "[3, 3, 5, 6]", "[2, 5, 7, 4]", "must be 4"}},
      {[&] { conv2d(x, w, zeros({5})); }, {"conv2d", "bias", "[5]", "[6]"}},
      {[&] {
         conv2d(x, w, zeros({1, 6}));
       },
       {"conv2d", "bias", "[1, 6]"}},
      {[&] { conv2d(x, w, {}, {.groups = 3}); }, {"conv2d", "3 groups", "[2, 5, 7, 4]", "[3, 3, 4, 6]"}},
      {[&] { conv2d(x, w, {}, {.groups = 0}); }, {"conv2d", "0 groups"}},
      {[&] { conv2d(x, w, {}, {.groups = 2}); }, {"conv2d", "2 groups", "must be 2"}},
      {[&] { conv2d(x, w, {}, {.stride_h = 0}); }, {"conv2d", "height", "stride 0"}},
      {[&] { conv2d(x, w, {}, {.dilation_w = -1}); }, {"conv2d", "width", "dilation -1"}},
      {[&] {
         conv2d(x, zeros({0, 3, 4, 6}));
       },
       {"conv2d", "size 0"}},
      {[&] {
         conv2d(x, zeros({3, 8, 4, 6}), {}, {.padding = Padding::valid()});
       },
       {"conv2d", "width", "8", "7"}},
      {[&] { conv2d(x, w, {}, {.padding = Padding::explicit_(0, -1, 0, 0)}); },
       {"conv2d", "height", "-1", "slice"}},
      {[&] {
         conv2d(x, zeros({3, 3, 4, 6}, DType::f64));
       },
       {"conv2d", "weight", "f64", "f32", "cast"}},
      {[&] {
         conv2d(zeros({2, 5, 7, 4}, DType::u8), w);
       },
       {"conv2d", "u8", "cast"}},
      {[&] {
         conv2d(x, w, {}, {.activation = {ActivationKind::leaky_relu, 0}});
       },
       {"conv2d", "slope 0"}},
  });
}

TEST_CASE("ops: operands on two devices") {
  const Device other = open_device("reference");
  check_wrong({{[&] {
                  conv2d(zeros({1, 2, 2, 1}), Tensor::zeros(other, {1, 1, 1, 1}));
                },
                {"conv2d", "weight [1, 1, 1, 1]", "[1, 2, 2, 1]", "one device"}}});
}

}  // namespace tapeline::testing
