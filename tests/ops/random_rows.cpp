// Rows that nobody thought of: random ops, sizes, windows, strides, lengths. Each name holds all of its row,
// and its numbers are drawn from the name, so that a failure can be put into the op's own table as it is
// printed. A row that fails is made smaller first, for as long as it still fails. TAPELINE_RANDOM_ROWS asks
// for another number of them, TAPELINE_RANDOM_SEED for others.

#include <doctest/doctest.h>

#include <cstdlib>

#include "engine/ops/activation.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/columns_to_sequence.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/ctc_loss.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/ops/log_softmax.h"
#include "engine/ops/lstm.h"
#include "engine/ops/matmul.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/permute.h"
#include "engine/ops/slice.h"
#include "engine/random.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {
namespace {

/// The choices that a row is made of. They can be made again, or smaller: a row made of smaller choices is a
/// smaller row.
class Draw {
 public:
  explicit Draw(Random random) : random_(random) {}
  /// Each choice as it is here, as far as it still can be; 0 for those that are more.
  explicit Draw(std::vector<std::uint32_t> choices) : choices_(std::move(choices)), again_(true) {}

  std::uint32_t below(std::uint32_t count) {
    if (!again_) return choices_.emplace_back(random_.below(count));
    return made_ < choices_.size() ? std::min(choices_[made_++], count - 1) : 0;
  }
  bool chance(float probability) {
    if (!again_) return choices_.emplace_back(random_.chance(probability)) != 0;
    return below(2) != 0;
  }
  const std::vector<std::uint32_t>& choices() const { return choices_; }

 private:
  Random random_{0, 0};
  std::vector<std::uint32_t> choices_;
  bool again_ = false;
  std::size_t made_ = 0;
};

/// Channels that a tensor has at least: of one sum alone, terms may cancel, and its error is then compared
/// with next to nothing. The tables have the single ones.
constexpr int kFew = 3;

int number(Draw& draw, int low, int high) {
  return low + static_cast<int>(draw.below(static_cast<std::uint32_t>(high - low + 1)));
}
/// Small as a rule, and now and then one that crosses the tiles of the kernels.
int size(Draw& draw, int small, int large) { return number(draw, 1, draw.chance(.2f) ? large : small); }

Input lengths(Draw& draw, int count, int most) {
  Input input = integers({});
  input.shape = {count};
  for (int i = 0; i < count; ++i) input.integers.push_back(number(draw, 0, most));
  return input;
}
std::string text_of(const Input& lengths) { return fmt::format("[{}]", fmt::join(lengths.integers, ",")); }

/// Without kinks: at one, a rounding of f32 would decide the gradient.
Activation smooth_activation(Draw& draw) {
  constexpr Activation kSmooth[] = {{}, {ActivationKind::tanh, 0}, {ActivationKind::sigmoid, 0}};
  return kSmooth[number(draw, 0, 2)];
}
std::string text_of(const Activation& activation) {
  return fmt::format("activation {}", static_cast<int>(activation.kind));
}

Row convolution(Draw& draw) {
  Conv2dOptions o;
  const int in = kFew + size(draw, 6, 40), window_h = number(draw, 1, 5), window_w = number(draw, 1, 5);
  const bool depthwise = draw.chance(.2f);
  const int out = depthwise ? in * number(draw, 1, 2) : kFew + size(draw, 8, 40);
  o.groups = depthwise ? in : 1;
  o.stride_h = number(draw, 1, 3);
  o.stride_w = number(draw, 1, 3);
  o.dilation_h = draw.chance(.2f) ? 2 : 1;
  o.dilation_w = draw.chance(.2f) ? 2 : 1;
  o.activation = smooth_activation(draw);
  const int reach_h = (window_h - 1) * o.dilation_h + 1, reach_w = (window_w - 1) * o.dilation_w + 1;
  const int padding = number(draw, 0, 2);
  const int least_h = padding == 0 ? 1 : reach_h, least_w = padding == 0 ? 1 : reach_w;
  if (padding == 1) o.padding = Padding::valid();
  const int pad[] = {number(draw, 0, 2), number(draw, 0, 2), number(draw, 0, 2), number(draw, 0, 2)};
  if (padding == 2) o.padding = Padding::explicit_(pad[0], pad[1], pad[2], pad[3]);
  const Shape x{number(draw, 1, 3), least_h + number(draw, 0, 7), least_w + size(draw, 9, 30), in};
  const Shape w{window_h, window_w, in / o.groups, out};
  return {
      fmt::format("conv2d {} by {}, strides {} {}, dilations {} {}, groups {}, padding {} ({} {} {} {}), {}",
                  x.text(), w.text(), o.stride_h, o.stride_w, o.dilation_h, o.dilation_w, o.groups, padding,
                  pad[0], pad[1], pad[2], pad[3], text_of(o.activation)),
      {random(x), random(w), random({out})},
      [o](const Inputs& t) { return conv2d(t[0], t[1], t[2], o); }};
}

Row pooling(Draw& draw) {
  MaxPool2dOptions o;
  o.height = number(draw, 1, 4);
  o.width = number(draw, 1, 4);
  o.stride_h = number(draw, 1, 4);
  o.stride_w = number(draw, 1, 4);
  const bool valid = draw.chance(.5f);
  if (valid) o.padding = Padding::valid();
  const Shape x{number(draw, 1, 3), o.height + number(draw, 0, 6), o.width + number(draw, 0, 9),
                size(draw, 5, 40)};
  std::vector<Input> inputs{random(x)};
  std::string name = fmt::format("max_pool2d {} by {} {}, strides {} {}, valid {}", x.text(), o.height,
                                 o.width, o.stride_h, o.stride_w, valid);
  if (draw.chance(.4f)) {
    inputs.push_back(lengths(draw, static_cast<int>(x[0]), static_cast<int>(x[2])));
    name += ", widths " + text_of(inputs.back());
  }
  return {name, inputs, [o](const Inputs& t) { return max_pool2d(t[0], o, t.size() > 1 ? t[1] : Tensor()); }};
}

Row normalisation(Draw& draw) {
  BatchNormOptions o;
  o.epsilon = .1f;  // few pixels may be nearly equal, and their inverse deviation then ill-conditioned
  o.activation = smooth_activation(draw);
  const Shape x{number(draw, 2, 4), number(draw, 2, 5), number(draw, 2, 9), kFew + size(draw, 6, 40)};
  const Shape channels{x[3]};
  const bool training = draw.chance(.6f);
  std::vector<Input> inputs{random(x, -2, 3), random(channels, .5, 2), random(channels)};
  if (!training) inputs.push_back(constant(channels)), inputs.push_back(constant(channels, .2, 2));
  const std::size_t widths = inputs.size();
  std::string name = fmt::format("batch_norm {} {}, {}", training ? "training" : "inference", x.text(),
                                 text_of(o.activation));
  if (draw.chance(.4f)) {
    inputs.push_back(lengths(draw, static_cast<int>(x[0]), static_cast<int>(x[2])));
    inputs.back().integers[0] = static_cast<std::int32_t>(x[2]);
    name += ", widths " + text_of(inputs.back());
  }
  return {name, inputs,
          [=](const Inputs& t) {
            const Tensor own = t.size() > widths ? t[widths] : Tensor();
            return training ? batch_norm_training(t[0], t[1], t[2], {}, {}, o, own)
                            : batch_norm_inference(t[0], t[1], t[2], t[3], t[4], o, own);
          },
          1e-4};
}

Row recurrence(Draw& draw) {
  LstmOptions o;
  o.directions = number(draw, 1, 2);
  o.reverse = o.directions == 1 && draw.chance(.5f);
  if (o.directions == 2 && draw.chance(.5f)) o.merge = LstmMerge::sum;
  const int batch = size(draw, 4, 20), steps = number(draw, 1, 9), hidden = size(draw, 8, 40);
  const int features = size(draw, 6, 20), d = o.directions;
  std::vector<Input> inputs{random({batch, steps, features}), random({features, d * 4 * hidden}),
                            random({d, hidden, 4 * hidden}, -.6, .6), random({d * 4 * hidden})};
  std::string name = fmt::format("lstm batch {}, steps {}, features {}, hidden {}, directions {}{}{}", batch,
                                 steps, features, hidden, d, o.reverse ? ", reverse" : "",
                                 o.merge == LstmMerge::sum ? ", summed" : "");
  if (draw.chance(.5f)) {
    inputs.push_back(lengths(draw, batch, steps));
    name += ", frames " + text_of(inputs.back());
  }
  return {name, inputs,
          [o](const Inputs& t) { return lstm(t[0], t[1], t[2], t[3], o, t.size() > 4 ? t[4] : Tensor()); },
          1e-4};
}

/// Labels that may fit their frames or not; what does not has an infinite loss on every device.
Row alignment(Draw& draw) {
  const int batch = number(draw, 1, 5), frames = number(draw, 1, 14), classes = number(draw, 2, 12);
  const int longest = number(draw, 1, 6);
  Input labels = integers({}), counts = lengths(draw, batch, longest);
  labels.shape = {batch, longest};
  for (int i = 0; i < batch * longest; ++i) labels.integers.push_back(number(draw, 1, classes - 1));
  std::vector<Input> inputs{random({batch, frames, classes}, -3, 3), labels, counts};
  std::string name = fmt::format("ctc_loss frames {}, classes {}, labels {} of {}", frames, classes,
                                 text_of(labels), text_of(counts));
  if (draw.chance(.4f)) {
    inputs.push_back(lengths(draw, batch, frames));
    name += ", own frames " + text_of(inputs.back());
  }
  return {name, inputs,
          [](const Inputs& t) { return ctc_loss(t[0], t[1], t[2], t.size() > 3 ? t[3] : Tensor()); }, 1e-4};
}

Row product(Draw& draw) {
  const int m = size(draw, 9, 150), k = size(draw, 9, 300), n = kFew + size(draw, 9, 150);
  const bool a = draw.chance(.5f), b = draw.chance(.5f);
  if (draw.chance(.5f)) {
    const Activation f = smooth_activation(draw);
    return {fmt::format("linear {} {} {}, {}", m, k, n, text_of(f)),
            {random({m, k}), random({k, n}), random({n})},
            [f](const Inputs& t) { return linear(t[0], t[1], t[2], f); },
            1e-4};
  }
  return {fmt::format("matmul {} {} {}, transposed {} {}", m, k, n, a, b),
          {random(a ? Shape{k, m} : Shape{m, k}), random(b ? Shape{n, k} : Shape{k, n})},
          [=](const Inputs& t) { return matmul(t[0], t[1], a, b); },
          1e-4};
}

Row rearrangement(Draw& draw) {
  const Shape x{number(draw, 1, 4), size(draw, 5, 20), size(draw, 6, 40), size(draw, 6, 40)};
  if (draw.chance(.3f))
    return {fmt::format("log_softmax {}", x.text()), {random(x, -9, 9)}, [](const Inputs& t) {
              return log_softmax(t[0]);
            }};
  if (draw.chance(.3f))
    return {fmt::format("columns_to_sequence {}", x.text()), {random(x)}, [](const Inputs& t) {
              return scale(columns_to_sequence(t[0]), 2);  // of one row it is a view
            }};
  if (draw.chance(.5f)) {
    const int axis = number(draw, 0, 3), begin = number(draw, 0, static_cast<int>(x[axis]));
    const int end = number(draw, begin, static_cast<int>(x[axis]));
    return {fmt::format("slice {} axis {} from {} to {}", x.text(), axis, begin, end),
            {random(x)},
            [=](const Inputs& t) { return slice(t[0], axis, begin, end); }};
  }
  std::vector<int> axes{0, 1, 2, 3};
  for (std::uint32_t i = 3; i > 0; --i) std::swap(axes[i], axes[draw.below(i + 1)]);
  return {fmt::format("permute {} by [{}]", x.text(), fmt::join(axes, ",")),
          {random(x)},
          [axes](const Inputs& t) { return permute(t[0], axes); }};
}

std::int64_t setting(const char* name, std::int64_t otherwise) {
  const char* given = std::getenv(name);
  return given ? std::atoll(given) : otherwise;
}

using Make = Row (*)(Draw&);
constexpr Make kMakers[] = {convolution,   convolution, recurrence, pooling,
                            normalisation, alignment,   product,    rearrangement};

Row make_row(Draw& draw) {
  Row row = kMakers[draw.below(std::size(kMakers))](draw);
  row.smooth = false;  // the tables ask for finite differences; here the plain loops are the measure
  return row;
}

/// Choices of a row that fails, of which none can be made smaller, alone, without it being right. `most` rows
/// are tried.
std::vector<std::uint32_t> shrink(std::vector<std::uint32_t> choices,
                                  const std::function<bool(const Row&)>& fails, int most = 500) {
  const auto still_fails = [&](const std::vector<std::uint32_t>& fewer) {
    Draw draw(fewer);
    return most-- > 0 && fails(make_row(draw));
  };
  for (bool smaller = true; smaller && most > 0;) {
    smaller = false;
    for (std::size_t i = 1; i < choices.size(); ++i)  // the first one is the op
      for (const std::uint32_t less : {std::uint32_t{0}, choices[i] / 2, choices[i] - 1}) {
        if (less >= choices[i]) continue;
        std::vector<std::uint32_t> fewer = choices;
        fewer[i] = less;
        if (!still_fails(fewer)) continue;
        choices = std::move(fewer);
        smaller = true;
        break;
      }
  }
  return choices;
}

}  // namespace

TEST_CASE("random rows: every device agrees with the plain loops") {
  const std::int64_t rows = setting("TAPELINE_RANDOM_ROWS", 1000);
  const auto seed = static_cast<std::uint64_t>(setting("TAPELINE_RANDOM_SEED", 1));
  for (std::int64_t i = 0; i < rows; ++i) {
    Draw draw(Random(seed, static_cast<std::uint64_t>(i)));
    const Row row = make_row(draw);
    const bool right = faults_of(row).empty();
    CHECK(right);
    if (right) continue;
    MESSAGE("a row that fails: " << row.name);
    Draw small(shrink(draw.choices(), [](const Row& r) { return !faults_of(r).empty(); }));
    for (const std::string& fault : faults_of(make_row(small))) FAIL_CHECK("made smaller: " << fault);
  }
  MESSAGE(rows << " random rows");
}

TEST_CASE("random rows: what is not right is told of, with the row") {
  Draw draw(Random(1, 0));
  Row row = product(draw);
  CHECK(faults_of(row).empty());
  row.tolerance = 0;  // f32 is not f64
  const std::vector<std::string> faults = faults_of(row);
  REQUIRE(!faults.empty());
  CHECK(faults[0].starts_with(row.name));
}

TEST_CASE("random rows: a row that fails is made smaller until it is right") {
  // Fails from 5 columns on, whatever else it is; drawn until there is one.
  const auto fails = [](const Row& row) { return row.inputs[0].shape[1] >= 5; };
  int found = 0;
  for (std::uint64_t i = 0; found < 20; ++i) {
    Draw draw(Random(3, i));
    draw.below(1);  // the op: convolution
    const Row row = convolution(draw);
    if (!fails(row)) continue;
    ++found;
    Draw small(shrink(draw.choices(), fails));
    const Row smaller = make_row(small);
    CAPTURE(smaller.name);
    CHECK(smaller.inputs[0].shape[1] == 5);
    CHECK(smaller.inputs[0].shape[0] == 1);
    CHECK(smaller.inputs[0].shape[2] <= row.inputs[0].shape[2]);
  }
}

}  // namespace tapeline::testing
