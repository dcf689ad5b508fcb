// CTC against its definition: walk through every path of classes, collapse it, add up those that read the
// label.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "backends/reference/backend.h"
#include "engine/kernels/ctc.h"
#include "engine/random.h"
#include "engine/tensor.h"

using namespace tapeline;

namespace {

using Label = std::vector<std::int32_t>;

struct Result {
  double loss;
  std::vector<double> grad;  // [frames, classes]
};

std::vector<double> softmax(const std::vector<double>& logits, int classes) {
  std::vector<double> p;
  for (std::size_t row = 0; row < logits.size(); row += classes) {
    double sum = 0;
    for (int c = 0; c < classes; ++c) sum += std::exp(logits[row + c]);
    for (int c = 0; c < classes; ++c) p.push_back(std::exp(logits[row + c]) / sum);
  }
  return p;
}

Label collapse(const Label& path, int blank) {
  Label label;
  for (std::size_t t = 0; t < path.size(); ++t)
    if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) label.push_back(path[t]);
  return label;
}

Result by_enumeration(const std::vector<double>& logits, int frames, int classes, const Label& label,
                      int blank) {
  const std::vector<double> p = softmax(logits, classes);
  std::vector<double> posterior(p.size());
  double total = 0;
  Label path(frames);
  for (bool more = true; more;) {
    if (collapse(path, blank) == label) {
      double product = 1;
      for (int t = 0; t < frames; ++t) product *= p[t * classes + path[t]];
      for (int t = 0; t < frames; ++t) posterior[t * classes + path[t]] += product;
      total += product;
    }
    int t = 0;  // the next path: count up by one, in base `classes`
    while (t < frames && ++path[t] == classes) path[t++] = 0;
    more = t < frames;
  }
  Result result{-std::log(total), std::vector<double>(p.size())};
  if (total > 0)
    for (std::size_t i = 0; i < p.size(); ++i) result.grad[i] = p[i] - posterior[i] / total;
  return result;
}

template <typename T>
struct Batch {
  int images, steps, classes;
  std::vector<T> logits;
  std::vector<Label> labels;
  std::vector<std::int32_t> frames;  // empty: all steps
  int blank = 0;
};

// One Result an image, over all steps.
template <typename T>
std::vector<Result> by_kernel(const Batch<T>& batch) {
  std::int64_t longest = 0;
  std::vector<std::int32_t> lengths, padded;
  for (const Label& label : batch.labels) {
    lengths.push_back(static_cast<std::int32_t>(label.size()));
    longest = std::max(longest, static_cast<std::int64_t>(label.size()));
  }
  for (const Label& label : batch.labels) {
    padded.insert(padded.end(), label.begin(), label.end());
    padded.resize(padded.size() + longest - label.size(), -7);  // must not be read
  }
  const Device device = open_reference();
  const std::int64_t n = batch.images, row = std::int64_t{batch.steps} * batch.classes;
  const Tensor logits = Tensor::from<T>(device, {n, batch.steps, batch.classes}, batch.logits);
  const Tensor labels = Tensor::from<std::int32_t>(device, {n, longest}, padded);
  const Tensor label_lengths = Tensor::from<std::int32_t>(device, {n}, lengths);
  const Tensor frames =
      batch.frames.empty() ? Tensor() : Tensor::from<std::int32_t>(device, {n}, batch.frames);
  const Tensor loss = Tensor::empty(device, {n}, logits.dtype());
  const Tensor grad = Tensor::empty(device, logits.shape(), logits.dtype());
  device->run(CtcLoss{.logits = logits.view(),
                      .labels = labels.view(),
                      .label_lengths = label_lengths.view(),
                      .frames = frames.view(),
                      .loss = loss.view(),
                      .grad_logits = grad.view(),
                      .blank = batch.blank});
  const std::vector<T> losses = loss.to_vector<T>(), grads = grad.to_vector<T>();
  std::vector<Result> results;
  for (std::int64_t i = 0; i < n; ++i)
    results.push_back({losses[i], {grads.begin() + i * row, grads.begin() + (i + 1) * row}});
  return results;
}

template <typename T>
std::vector<T> random_values(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<T> values(count);
  for (T& value : values) value = 2 * random.normal();
  return values;
}

double worst_difference(const Result& a, const Result& b) {
  REQUIRE(a.grad.size() == b.grad.size());
  double worst = a.loss == b.loss ? 0 : std::fabs(a.loss - b.loss);
  for (std::size_t i = 0; i < a.grad.size(); ++i) {
    CHECK_FALSE(std::isnan(a.grad[i]));
    worst = std::max(worst, std::fabs(a.grad[i] - b.grad[i]));
  }
  return worst;
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Result impossible(std::size_t values) { return {kInfinity, std::vector<double>(values)}; }

}  // namespace

TEST_CASE_TEMPLATE("ctc is the sum over all paths", T, float, double) {
  // Every label over the classes, up to one longer than fits: the empty one, repeats, exactly as long as can
  // be.
  for (const int blank : {0, 2})
    for (const int steps : {1, 2, 3, 5}) {
      const int classes = 3;
      std::vector<Label> labels{{}};
      for (std::size_t i = 0; i < labels.size(); ++i)
        for (int c = 0; c < classes; ++c)
          if (c != blank && static_cast<int>(labels[i].size()) <= steps) {
            Label longer = labels[i];
            longer.push_back(c);
            labels.push_back(longer);
          }
      const int images = static_cast<int>(labels.size());
      const auto logits = random_values<T>(static_cast<std::size_t>(images) * steps * classes, steps);
      const auto results = by_kernel<T>({images, steps, classes, logits, labels, {}, blank});
      for (int n = 0; n < images; ++n) {
        const std::vector<double> own(logits.begin() + n * steps * classes,
                                      logits.begin() + (n + 1) * steps * classes);
        CAPTURE(steps);
        CAPTURE(n);
        const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-12;
        CHECK(worst_difference(results[n], by_enumeration(own, steps, classes, labels[n], blank)) <
              tolerance);
      }
    }
}

TEST_CASE("ctc reads only an image's own frames") {
  const int images = 6, steps = 5, classes = 4;
  const Label label{1, 3, 3};
  const std::vector<std::int32_t> frames{0, 1, 2, 3, 4, 5};
  auto logits = random_values<double>(images * steps * classes, 3);
  for (int n = 0; n < images; ++n)
    for (int i = frames[n] * classes; i < steps * classes; ++i)
      logits[n * steps * classes + i] = std::numeric_limits<double>::quiet_NaN();
  const auto results =
      by_kernel<double>({images, steps, classes, logits, std::vector<Label>(images, label), frames});
  for (int n = 0; n < images; ++n) {
    const auto first = logits.begin() + n * steps * classes;
    Result expected = by_enumeration({first, first + frames[n] * classes}, frames[n], classes, label, 0);
    expected.grad.resize(steps * classes);
    CAPTURE(n);
    CHECK(worst_difference(results[n], expected) < 1e-12);
    CHECK(std::isinf(results[n].loss) == (frames[n] < 4));  // 3 labels and a blank between the two 3s
  }
}

TEST_CASE("ctc with no frames") {
  const auto results = by_kernel<float>({2, 0, 3, {}, {{}, {1}}, {}});
  CHECK(results[0].loss == 0);
  CHECK(results[1].loss == kInfinity);

  const auto padded = by_kernel<float>({2, 2, 3, random_values<float>(12, 1), {{}, {1}}, {0, 0}});
  CHECK(worst_difference(padded[0], {0, std::vector<double>(6)}) == 0);
  CHECK(worst_difference(padded[1], impossible(6)) == 0);
}

TEST_CASE("ctc of labels that cannot be") {
  const int images = 4, steps = 4, classes = 3;
  const auto results = by_kernel<float>({images,
                                         steps,
                                         classes,
                                         random_values<float>(images * steps * classes, 5),
                                         {{0}, {1, 3}, {-1}, {1, std::numeric_limits<std::int32_t>::max()}},
                                         {}});
  for (const Result& result : results) CHECK(worst_difference(result, impossible(12)) == 0);
}

TEST_CASE("ctc with extreme logits") {
  // A thousand apart: probabilities that no float holds, but their logarithms are plain numbers.
  const auto results =
      by_kernel<float>({2, 2, 3, {0, 1000, 0, 0, 1000, 0, 0, 1000, 0, 0, 1000, 0}, {{1}, {2}}, {}});
  CHECK(results[0].loss == doctest::Approx(0));
  CHECK(results[1].loss == doctest::Approx(2000 - std::log(3)));
  for (const Result& result : results)
    for (const double g : result.grad) CHECK(std::fabs(g) <= 1);

  // A class that is ruled out altogether.
  const float never = -std::numeric_limits<float>::infinity();
  const auto ruled_out =
      by_kernel<float>({2, 2, 3, {0, 0, never, 0, 0, never, 0, 0, never, 0, 0, never}, {{1}, {2}}, {}});
  CHECK(ruled_out[0].loss == doctest::Approx(-std::log(.75)));
  CHECK(ruled_out[0].grad[2] == 0);
  CHECK(worst_difference(ruled_out[1], impossible(6)) == 0);
}

TEST_CASE("ctc of an empty batch and without a gradient") {
  CHECK(by_kernel<float>({0, 4, 3, {}, {}, {}}).empty());

  const Device device = open_reference();
  const Tensor logits = Tensor::from<float>(device, {1, 1, 2}, {0, 0}), loss = Tensor::empty(device, {1});
  device->run(CtcLoss{.logits = logits.view(),
                      .labels = Tensor::from<std::int32_t>(device, {1, 1}, {1}).view(),
                      .label_lengths = Tensor::from<std::int32_t>(device, {1}, {1}).view(),
                      .frames = {},
                      .loss = loss.view(),
                      .grad_logits = {},
                      .blank = 0});
  CHECK(loss.item() == doctest::Approx(std::log(2)));
}
