#pragma once

// Initial values of parameters: drawn on the host from a counter-based generator, so the same seed gives the
// same network on every device.

#include <cstdint>
#include <vector>

#include "engine/random.h"
#include "engine/shape.h"
#include "engine/tensor.h"

namespace tapeline {

/// How many inputs one output sums over, and how many outputs one input reaches.
struct Fans {
  std::int64_t in = 1, out = 1;
};

/// For a matrix [in, out], and for a convolution [height, width, in / groups, out]:
/// in = height * width * in / groups, out = height * width * out. Throws on a rank below 2.
Fans fans_of(const Shape& weight);

/// A recipe for initial values, as a value.
class Init {
 public:
  static Init constant(double value) { return {Kind::constant, value, 0}; }
  /// In [low, high).
  static Init uniform(double low, double high) { return {Kind::uniform, low, high}; }
  static Init normal(double mean, double deviation) { return {Kind::normal, mean, deviation}; }
  /// Normal; what is more than two deviations from the mean is drawn again. (That leaves a deviation of
  /// 0.8796 times the one given.)
  static Init truncated_normal(double mean, double deviation) {
    return {Kind::truncated_normal, mean, deviation};
  }
  /// Variance 2 / (in + out) (Glorot and Bengio 2010), times gain^2.
  static Init glorot_uniform(double gain = 1) { return {Kind::glorot_uniform, gain, 0}; }
  static Init glorot_normal(double gain = 1) { return {Kind::glorot_normal, gain, 0}; }
  /// Variance 2 / ((1 + slope^2) in) (He et al. 2015), for layers followed by a leaky ReLU; slope 0: a ReLU.
  static Init he_uniform(double slope = 0) { return {Kind::he_uniform, slope, 0}; }
  static Init he_normal(double slope = 0) { return {Kind::he_normal, slope, 0}; }
  /// The tensor as a matrix [everything else, innermost axis], its rows or its columns (whichever are fewer)
  /// orthogonal and of length gain (Saxe et al. 2014). Needs rank 2 or more.
  static Init orthogonal(double gain = 1) { return {Kind::orthogonal, gain, 0}; }

  /// shape.elements() values; moves `random` on.
  std::vector<float> values(const Shape& shape, Random& random) const;

 private:
  enum class Kind : std::uint8_t {
    constant,
    uniform,
    normal,
    truncated_normal,
    glorot_uniform,
    glorot_normal,
    he_uniform,
    he_normal,
    orthogonal
  };
  Init(Kind kind, double a, double b) : kind_(kind), a_(a), b_(b) {}
  Kind kind_;
  double a_, b_;
};

/// While one lives, layers made on this thread leave their weights uninitialised, and Init::values() gives
/// zeros, without drawing: for networks whose weights will be read from a file.
class NoInit {
 public:
  NoInit();
  ~NoInit();
  NoInit(const NoInit&) = delete;
  NoInit& operator=(const NoInit&) = delete;

 private:
  bool before_;
};

/// Whether no NoInit lives on this thread.
bool init_enabled();

/// An f32 leaf on `device` that wants a gradient.
Tensor make_parameter(const Device& device, const Shape& shape, const Init& init, Random& random);

}  // namespace tapeline
