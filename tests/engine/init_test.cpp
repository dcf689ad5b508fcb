// Initial values: their statistics, and that the same seed gives the same ones.

#include "engine/nn/init.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "backends/registry.h"

namespace tapeline {

namespace {

struct Statistics {
  double mean = 0, deviation = 0, largest = 0;
};

Statistics statistics_of(const std::vector<float>& values) {
  Statistics s;
  const double n = static_cast<double>(values.size());
  for (const float v : values) s.mean += v / n;
  for (const float v : values) {
    s.deviation += (v - s.mean) * (v - s.mean) / n;
    s.largest = std::max(s.largest, std::abs(double{v}));
  }
  s.deviation = std::sqrt(s.deviation);
  return s;
}

/// Of 60,000 values the mean is within 4 standard errors of its expectation, and the deviation within 2 %.
void check_statistics(const Init& init, const Shape& shape, double mean, double deviation, double limit) {
  Random random(3);
  const Statistics s = statistics_of(init.values(shape, random));
  CHECK(std::abs(s.mean - mean) < 4 * deviation / std::sqrt(static_cast<double>(shape.elements())));
  CHECK(s.deviation == doctest::Approx(deviation).epsilon(0.02));
  CHECK(s.largest <= limit * (1 + 1e-6));
  if (std::isfinite(limit)) CHECK(s.largest > 0.99 * limit);
}

const Shape kMatrix{200, 300};
const Shape kConvolution{3, 5, 40, 100};  // fans 600 and 1500

}  // namespace

TEST_CASE("init: fans of matrices and convolutions") {
  CHECK(fans_of(kMatrix).in == 200);
  CHECK(fans_of(kMatrix).out == 300);
  CHECK(fans_of(kConvolution).in == 600);
  CHECK(fans_of(kConvolution).out == 1500);
  CHECK_THROWS_AS(fans_of({5}), Error);
}

TEST_CASE("init: mean and deviation") {
  check_statistics(Init::uniform(-1, 1), kMatrix, 0, 1 / std::sqrt(3.0), 1);
  check_statistics(Init::uniform(0, 2), kMatrix, 1, 1 / std::sqrt(3.0), 2);
  check_statistics(Init::normal(0, 0.5), kMatrix, 0, 0.5, HUGE_VAL);
  check_statistics(Init::normal(-2, 0.5), kMatrix, -2, 0.5, HUGE_VAL);
  check_statistics(Init::truncated_normal(0, 0.1), kMatrix, 0, 0.087963, 0.2);
  check_statistics(Init::glorot_uniform(), kMatrix, 0, std::sqrt(2.0 / 500), std::sqrt(6.0 / 500));
  check_statistics(Init::glorot_uniform(3), kMatrix, 0, 3 * std::sqrt(2.0 / 500), 3 * std::sqrt(6.0 / 500));
  check_statistics(Init::glorot_normal(), kMatrix, 0, std::sqrt(2.0 / 500), HUGE_VAL);
  check_statistics(Init::glorot_uniform(), kConvolution, 0, std::sqrt(2.0 / 2100), std::sqrt(6.0 / 2100));
  check_statistics(Init::he_uniform(), kConvolution, 0, std::sqrt(2.0 / 600), std::sqrt(6.0 / 600));
  check_statistics(Init::he_normal(), kConvolution, 0, std::sqrt(2.0 / 600), HUGE_VAL);
  check_statistics(Init::he_normal(0.1), kMatrix, 0, std::sqrt(2.0 / (1.01 * 200)), HUGE_VAL);
  Random random(1);
  CHECK(Init::constant(0.25).values({2, 2}, random) == std::vector<float>(4, 0.25f));
}

TEST_CASE("init: orthogonal rows or columns, whichever are fewer") {
  for (const Shape& shape :
       {Shape{64, 64}, Shape{96, 32}, Shape{32, 96}, Shape{3, 3, 4, 50}, Shape{1, 7}, Shape{7, 1}}) {
    CAPTURE(shape.text());
    Random random(5);
    const std::vector<float> w = Init::orthogonal(2).values(shape, random);
    const auto columns = static_cast<std::size_t>(shape[-1]), rows = w.size() / columns;
    const bool by_column = rows >= columns;
    const std::size_t count = std::min(rows, columns), length = std::max(rows, columns);
    double worst = 0;
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < count; ++j) {
        double product = 0;
        for (std::size_t k = 0; k < length; ++k)
          product += by_column ? double{w[k * columns + i]} * w[k * columns + j]
                               : double{w[i * columns + k]} * w[j * columns + k];
        worst = std::max(worst, std::abs(product - (i == j ? 4 : 0)));
      }
    CHECK(worst < 1e-5);
  }
  Random random(5);
  CHECK_THROWS_AS(Init::orthogonal().values({4}, random), Error);
}

TEST_CASE("init: a function of the seed alone") {
  for (const Init& init : {Init::uniform(0, 1), Init::normal(0, 1), Init::truncated_normal(0, 1),
                           Init::glorot_uniform(), Init::he_normal(), Init::orthogonal()}) {
    Random a(7), b(7), c(8);
    const std::vector<float> values = init.values({12, 12}, a);
    CHECK(values == init.values({12, 12}, b));
    CHECK(values != init.values({12, 12}, c));
    CHECK(values != init.values({12, 12}, a));  // the stream has moved on
  }
}

TEST_CASE("init: a parameter is a leaf that wants a gradient") {
  Random random(1);
  const Tensor p = make_parameter(open_device("reference"), {3, 4}, Init::constant(1), random);
  CHECK(p.requires_grad());
  CHECK(p.to_vector<float>() == std::vector<float>(12, 1));
}

TEST_CASE("init: nothing is drawn where the weights will be read from a file") {
  Random random(1), untouched(1);
  {
    const NoInit outer;
    { const NoInit inner; }
    CHECK(Init::orthogonal().values({3, 2}, random) == std::vector<float>(6));
    CHECK(random.bits() == untouched.bits());
  }
  CHECK(Init::normal(0, 1).values({2}, random) != std::vector<float>(2));
}

}  // namespace tapeline
