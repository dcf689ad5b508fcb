// The CPU backend's batch norm, pooling, LSTM, log-softmax and CTC against the plain loops.

#include "tests/engine/cpu_kernels.h"

using namespace tapeline;
using namespace tapeline::cpu_kernels;

namespace {

constexpr Activation kLeaky{ActivationKind::leaky_relu, 0.1f};

}  // namespace

TEST_CASE("cpu kernels: batch norm") {
  const std::vector<Shape> shapes{{1, 1, 1, 1},   {2, 3, 5, 7},    {3, 4, 6, 16},  {2, 9, 31, 64},
                                  {4, 1, 9, 150}, {2, 60, 50, 33}, {1, 1, 1, 600}, {0, 3, 5, 8}};
  for (const Shape& shape : shapes)
    for (const bool own_widths : {false, true})
      for (const bool options : {false, true}) {
        CAPTURE(shape.text());
        CAPTURE(own_widths);
        const Shape channels{shape[3]};
        const auto optional = [&](Operands& make) {
          return options ? make.floats(channels, 0.5f, 2) : View{};
        };
        const auto widths = [&](Operands& make) {
          return own_widths ? make.integers({shape[0]}, 0, static_cast<int>(shape[2]) + 1) : View{};
        };
        const Activation activation = options ? kLeaky : Activation{};
        compare(
            [&](Operands& make) {
              return BatchNormTraining{make.floats(shape, 3, 5),
                                       widths(make),
                                       optional(make),
                                       optional(make),
                                       optional(make),
                                       optional(make),
                                       make.empty(shape),
                                       make.empty(channels),
                                       make.empty(channels),
                                       1e-5f,
                                       0.9f,
                                       activation};
            },
            1e-5);
        compare(
            [&](Operands& make) {
              return BatchNormInference{make.floats(shape),
                                        widths(make),
                                        optional(make),
                                        optional(make),
                                        make.floats(channels),
                                        make.floats(channels, 0.1f, 3),
                                        make.empty(shape),
                                        1e-5f,
                                        activation};
            },
            1e-5);
        for (const bool grad_input : {false, true})
          compare(
              [&](Operands& make) {
                return BatchNormBackward{make.floats(shape, 3, 5),
                                         widths(make),
                                         optional(make),
                                         make.floats(channels, 3.9f, 4.1f),
                                         make.floats(channels, 0.5f, 2),
                                         options ? make.floats(shape) : View{},
                                         make.floats(shape),
                                         grad_input ? make.empty(shape) : View{},
                                         grad_input && options ? View{} : make.empty(channels),
                                         make.empty(channels),
                                         activation};
              },
              2e-5);
      }
}

namespace {

/// Of each window a pixel that is in the image, and now and then none.
std::vector<std::uint8_t> some_choices(const Shape& image, const Shape& pooled, const Window2d& window) {
  std::vector<std::uint8_t> choices;
  for (std::int64_t i = 0; i < pooled.elements(); ++i) {
    const std::int64_t x = i / pooled[3] % pooled[2] * window.stride_w - window.pad_left + i % window.width;
    const std::int64_t y =
        i / pooled[3] / pooled[2] % pooled[1] * window.stride_h - window.pad_top + i / 7 % window.height;
    const bool inside = y >= 0 && y < image[1] && x >= 0 && x < image[2] && i % 13 != 0;
    choices.push_back(
        static_cast<std::uint8_t>(inside ? i / 7 % window.height * window.width + i % window.width : 255));
  }
  return choices.empty() ? std::vector<std::uint8_t>{255} : choices;
}

}  // namespace

TEST_CASE("cpu kernels: batch norm with pooling") {
  if (!backends().front().backend->fuses_pooling()) return;  // such a kernel is never asked of it
  struct Case {
    Shape shape, pooled;
    Window2d window;
  };
  const std::vector<Case> cases{
      {{2, 4, 6, 16}, {2, 2, 3, 16}, {2, 2, 2, 2}},
      {{3, 5, 7, 21}, {3, 3, 4, 21}, {2, 2, 2, 2}},
      {{1, 5, 7, 3}, {1, 2, 3, 3}, {2, 2, 2, 2}},
      {{2, 15, 21, 37}, {2, 8, 11, 37}, {2, 2, 2, 2, 1, 1, 1, 1}},
      {{2, 6, 5, 150}, {2, 2, 5, 150}, {3, 1, 3, 1}},
      {{0, 4, 6, 8}, {0, 2, 3, 8}, {2, 2, 2, 2}},
  };
  for (const Case& c : cases)
    for (const bool own_widths : {false, true}) {
      CAPTURE(c.shape.text());
      CAPTURE(own_widths);
      const Shape channels{c.shape[3]};
      const auto widths = [&](Operands& make) {
        return own_widths ? make.integers({c.shape[0]}, 0, static_cast<int>(c.shape[2]) + 1) : View{};
      };
      compare(
          [&](Operands& make) {
            return BatchNormTraining{make.floats(c.shape, 3, 5),
                                     widths(make),
                                     make.floats(channels, 0.5f, 2),
                                     make.floats(channels),
                                     {},
                                     {},
                                     make.empty(c.pooled),
                                     make.empty(channels),
                                     make.empty(channels),
                                     1e-5f,
                                     0.9f,
                                     kLeaky,
                                     make.empty(c.pooled, DType::u8),
                                     c.window};
          },
          1e-5);
      // In place, too, as a program may have it.
      for (const bool in_place : {false, true})
        compare(
            [&](Operands& make) {
              const View input = make.floats(c.shape, 3, 5);
              return BatchNormBackward{input,
                                       widths(make),
                                       make.floats(channels, 0.5f, 2),
                                       make.floats(channels, 3.9f, 4.1f),
                                       make.floats(channels, 0.5f, 2),
                                       make.floats(c.pooled),
                                       make.floats(c.pooled),
                                       in_place ? input : make.empty(c.shape),
                                       make.empty(channels),
                                       make.empty(channels),
                                       kLeaky,
                                       make.values(c.pooled, some_choices(c.shape, c.pooled, c.window)),
                                       c.window};
            },
            2e-5);
    }
}

TEST_CASE("cpu kernels: batch norm far from zero") {
  // The deviation is a 17,000th of the mean: sums of squares in f32 would leave nothing of it.
  compare(
      [](Operands& make) {
        return BatchNormTraining{make.floats({4, 50, 50, 24}, 9999, 10001),
                                 {},
                                 {},
                                 {},
                                 {},
                                 {},
                                 make.empty({4, 50, 50, 24}),
                                 make.empty({24}),
                                 make.empty({24}),
                                 1e-5f,
                                 0.9f,
                                 {}};
      },
      2e-5);
}

TEST_CASE("cpu kernels: max pooling") {
  struct Case {
    Shape input;
    std::int64_t out_height, out_width;
    Window2d window;
  };
  const std::vector<Case> cases{
      {{2, 6, 8, 64}, 3, 4, {2, 2, 2, 2, 1, 1, 0, 0}},    {{2, 5, 7, 33}, 3, 4, {2, 2, 2, 2, 1, 1, 0, 0}},
      {{2, 6, 5, 16}, 3, 5, {2, 1, 2, 1, 1, 1, 0, 0}},    {{1, 7, 7, 3}, 7, 7, {3, 3, 1, 1, 1, 1, 1, 1}},
      {{3, 4, 9, 1}, 2, 3, {2, 2, 3, 4, 1, 1, 1, 1}},     {{2, 9, 4, 20}, 3, 2, {5, 3, 2, 2, 1, 1, 0, 1}},
      {{1, 1, 1, 1}, 1, 1, {1, 1, 1, 1, 1, 1, 0, 0}},     {{0, 4, 4, 8}, 2, 2, {2, 2, 2, 2, 1, 1, 0, 0}},
      {{4, 40, 60, 17}, 20, 30, {2, 2, 2, 2, 1, 1, 0, 0}}};
  for (const auto& [input, out_height, out_width, window] : cases) {
    CAPTURE(input.text());
    const Shape output{input[0], out_height, out_width, input[3]};
    for (const bool own_widths : {false, true})
      for (const bool choice : {false, true})
        compare(
            [&](Operands& make) {
              return MaxPool2dForward{
                  make.floats(input),
                  own_widths ? make.integers({input[0]}, 0, static_cast<int>(input[2])) : View{},
                  make.empty(output), choice ? make.empty(output, DType::u8) : View{}, window};
            },
            0);
    compare(
        [&](Operands& make) {
          std::vector<float> few{1, 2, NAN, 2, -INFINITY, 0, -1, 2, 1, 1, 0};
          return MaxPool2dForward{
              make.values(input, few), {}, make.empty(output), make.empty(output, DType::u8), window};
        },
        0);
    compare(
        [&](Operands& make) {
          // Real choices, some of them "none".
          MaxPool2dForward forward{make.floats(input),
                                   make.integers({input[0]}, 0, static_cast<int>(input[2])),
                                   make.empty(output), make.empty(output, DType::u8), window};
          reference::run(forward);
          return MaxPool2dBackward{forward.choice, make.floats(output), make.empty(input), window};
        },
        1e-6);
  }
}

TEST_CASE("cpu kernels: log-softmax") {
  for (const Shape& shape : {Shape{1, 1}, Shape{7, 15}, Shape{3, 4, 16}, Shape{2, 33}, Shape{0, 5},
                             Shape{3000, 37}, Shape{2, 5000}}) {
    for (const float size : {1.0f, 1000.0f})
      compare(
          [&](Operands& make) {
            return LogSoftmaxForward{make.floats(shape, -size, size), make.empty(shape)};
          },
          1e-6);
    compare(
        [&](Operands& make) {
          return LogSoftmaxBackward{make.floats(shape, -9, 0), make.floats(shape), make.empty(shape)};
        },
        1e-5);
  }
  compare(
      [&](Operands& make) {
        return LogSoftmaxForward{make.values<float>({3, 3}, {1, NAN, 2, -INFINITY, 0, 1, 2, -5, 3}),
                                 make.empty({3, 3})};
      },
      1e-6);
}

TEST_CASE("cpu kernels: lstm") {
  const std::vector<LstmGeometry> sizes{{1, 1, 1, 1, false},   {3, 5, 7, 2, false},   {4, 6, 16, 1, true},
                                        {33, 9, 20, 2, false}, {1, 12, 64, 2, false}, {20, 3, 130, 1, false},
                                        {0, 4, 8, 2, false},   {30, 40, 8, 2, false}, {2, 0, 8, 1, false}};
  for (const LstmGeometry& size : sizes) {
    const Shape output{size.batch, size.steps, size.directions * size.hidden};
    const Shape gates{size.batch, size.steps, size.directions, 4 * size.hidden};
    const Shape cells{size.batch, size.steps, size.directions, size.hidden};
    const Shape weights{size.directions, size.hidden, 4 * size.hidden};
    CAPTURE(gates.text());
    for (const bool own_frames : {false, true}) {
      const auto forward = [&](Operands& make, bool keep) {
        const float deviation = 2 / std::sqrt(static_cast<float>(size.hidden));
        return LstmForward{make.floats(gates),
                           make.floats(weights, -deviation, deviation),
                           own_frames ? make.integers({size.batch}, 0, size.steps) : View{},
                           make.empty(output),
                           keep ? make.empty(gates) : View{},
                           keep ? make.empty(cells) : View{},
                           size};
      };
      for (const bool keep : {false, true})
        compare([&](Operands& make) { return forward(make, keep); }, 2e-5);
      for (const bool grad_weights : {false, true})
        compare(
            [&](Operands& make) {
              const LstmForward k = forward(make, true);
              reference::run(k);
              return LstmBackward{k.w_hh,
                                  k.frames,
                                  k.output,
                                  k.gates,
                                  k.cells,
                                  make.floats(output),
                                  make.empty(gates),
                                  grad_weights ? make.empty(weights) : View{},
                                  size};
            },
            5e-5);
    }
  }
}

TEST_CASE("cpu kernels: ctc") {
  struct Case {
    int batch, frames, classes, labels;
    float size;  // of the logits
  };
  const std::vector<Case> cases{{1, 1, 2, 1, 1},     {4, 1, 3, 0, 1},   {32, 45, 15, 9, 1},
                                {9, 26, 37, 13, 5},  {5, 7, 40, 3, 60}, {3, 200, 20, 60, 2},
                                {6, 12, 5, 5, 1000}, {0, 4, 5, 2, 1},   {2, 0, 5, 2, 1}};
  for (const auto& [batch, frames, classes, labels, size] : cases)
    for (const bool own_frames : {false, true})
      for (const bool gradient : {false, true})
        for (const int blank : {0, classes - 1}) {
          CAPTURE(batch);
          CAPTURE(frames);
          CAPTURE(blank);
          compare(
              [&, batch = batch, frames = frames, classes = classes, labels = labels,
               size = size](Operands& make) {
                const Shape logits{batch, frames, classes};
                const int low = blank == 0 ? 1 : 0;
                return CtcLoss{make.floats(logits, -size, size),
                               make.integers({batch, labels}, low, low + classes - 2),
                               make.integers({batch}, 0, labels),
                               own_frames ? make.integers({batch}, 0, frames) : View{},
                               make.empty({batch}),
                               gradient ? make.empty(logits) : View{},
                               blank};
              },
              size > 100 ? 1e-4 : 1e-5);  // floats near 1000 are 6e-5 apart
        }
}

TEST_CASE("cpu kernels: ctc on labels at and past the limit, and on logits that are not numbers") {
  const auto check = [](Shape logits, std::vector<float> values, std::vector<std::int32_t> label, int frames,
                        double tolerance = 1e-5) {
    compare(
        [&](Operands& make) {
          return CtcLoss{make.values(logits, values),
                         make.values<std::int32_t>({1, static_cast<std::int64_t>(label.size())}, label),
                         make.values<std::int32_t>({1}, {static_cast<std::int32_t>(label.size())}),
                         make.values<std::int32_t>({1}, {frames}),
                         make.empty({1}),
                         make.empty(logits),
                         0};
        },
        tolerance);
  };
  const std::vector<float> some{0.5f, -1, 2, 0, 3, -0.25f, 1};
  check({1, 4, 3}, some, {1, 2, 1, 2}, 4);
  check({1, 4, 3}, some, {1, 1, 2}, 4);
  check({1, 4, 3}, some, {1, 1, 2}, 3);  // one frame short
  check({1, 4, 3}, some, {1, 0}, 4);     // a blank in the label
  check({1, 4, 3}, some, {1, 3}, 4);     // no such class
  check({1, 4, 3}, some, {1, -1}, 4);
  check({1, 4, 3}, some, {1}, 0);
  check({1, 4, 3}, {0, -INFINITY, 1}, {1}, 4);  // a class that cannot be
  check({1, 4, 3}, {0, -INFINITY, 1}, {2}, 4);
  check({1, 4, 3}, {1e4f, -1e4f, 0}, {1, 2}, 4, 1e-3);
  check({1, 4, 3}, {1e4f, -1e4f, 0, 1}, {2, 1}, 4, 1e-3);
  check({1, 1, 3}, {0, NAN, 1}, {1}, 1);
}
