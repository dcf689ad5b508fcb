#include "engine/nn/init.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tapeline {

namespace {

thread_local bool init_is_on = true;

std::vector<float> draw_uniform(std::size_t count, double low, double high, Random& random) {
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(low + (high - low) * random.uniform());
  return values;
}

std::vector<float> draw_normal(std::size_t count, double mean, double deviation, double limit,
                               Random& random) {
  std::vector<float> values(count);
  for (float& v : values) {
    double z = random.normal();
    while (std::abs(z) > limit) z = random.normal();
    v = static_cast<float>(mean + deviation * z);
  }
  return values;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Takes from `v` all that points along the orthonormal `basis`. Once leaves rounding errors of the size of
/// what was taken away; twice is enough (Kahan; Parlett 1980).
void project_out(std::vector<double>& v, const std::vector<std::vector<double>>& basis) {
  for (int pass = 0; pass < 2; ++pass)
    for (const auto& b : basis) {
      const double along = dot(v, b);
      for (std::size_t i = 0; i < v.size(); ++i) v[i] -= along * b[i];
    }
}

std::vector<float> draw_orthogonal(const Shape& shape, double gain, Random& random) {
  if (shape.rank() < 2)
    throw Error("init: an orthogonal tensor needs rank 2 or more, not shape {}", shape.text());
  const auto columns = static_cast<std::size_t>(shape[-1]);
  const auto elements = static_cast<std::size_t>(shape.elements());
  const std::size_t rows = columns ? elements / columns : 0;
  const bool tall = rows >= columns;

  std::vector<std::vector<double>> basis;
  while (basis.size() < std::min(rows, columns)) {
    std::vector<double> v(std::max(rows, columns));
    for (double& x : v) x = random.normal();
    const double before = std::sqrt(dot(v, v));
    project_out(v, basis);
    const double length = std::sqrt(dot(v, v));
    if (length <= 1e-6 * before) continue;  // by bad luck it lay in the span: draw another
    for (double& x : v) x /= length;
    basis.push_back(std::move(v));
  }

  std::vector<float> values(elements);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c)
      values[r * columns + c] = static_cast<float>(gain * (tall ? basis[c][r] : basis[r][c]));
  return values;
}

}  // namespace

NoInit::NoInit() : before_(std::exchange(init_is_on, false)) {}
NoInit::~NoInit() { init_is_on = before_; }

bool init_enabled() { return init_is_on; }

Fans fans_of(const Shape& weight) {
  if (weight.rank() < 2)
    throw Error(
        "init: fans are those of a matrix [in, out] or a convolution [height, width, in, out], not of {}",
        weight.text());
  std::int64_t window = 1;
  for (int axis = 0; axis < weight.rank() - 2; ++axis) window *= weight[axis];
  return {window * weight[-2], window * weight[-1]};
}

std::vector<float> Init::values(const Shape& shape, Random& random) const {
  const auto count = static_cast<std::size_t>(shape.elements());
  if (!init_is_on) return std::vector<float>(count);
  const auto glorot = [&] {
    const Fans fans = fans_of(shape);
    return a_ * std::sqrt(2.0 / static_cast<double>(std::max<std::int64_t>(fans.in + fans.out, 1)));
  };
  const auto he = [&] {
    const Fans fans = fans_of(shape);
    return std::sqrt(2.0 / ((1 + a_ * a_) * static_cast<double>(std::max<std::int64_t>(fans.in, 1))));
  };
  const auto uniform_with = [&](double deviation) {
    const double limit = std::sqrt(3.0) * deviation;
    return draw_uniform(count, -limit, limit, random);
  };
  switch (kind_) {
    case Kind::constant:
      return std::vector<float>(count, static_cast<float>(a_));
    case Kind::uniform:
      return draw_uniform(count, a_, b_, random);
    case Kind::normal:
      return draw_normal(count, a_, b_, HUGE_VAL, random);
    case Kind::truncated_normal:
      return draw_normal(count, a_, b_, 2, random);
    case Kind::glorot_uniform:
      return uniform_with(glorot());
    case Kind::glorot_normal:
      return draw_normal(count, 0, glorot(), HUGE_VAL, random);
    case Kind::he_uniform:
      return uniform_with(he());
    case Kind::he_normal:
      return draw_normal(count, 0, he(), HUGE_VAL, random);
    case Kind::orthogonal:
      return draw_orthogonal(shape, a_, random);
  }
  return {};
}

Tensor make_parameter(const Device& device, const Shape& shape, const Init& init, Random& random) {
  Tensor parameter =
      init_is_on ? Tensor::from(device, shape, init.values(shape, random)) : Tensor::empty(device, shape);
  parameter.set_requires_grad();
  return parameter;
}

}  // namespace tapeline
