// The 16-bit types against their definition, over all of their 65,536 values.

#include "engine/half.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

using namespace tapeline;

namespace {

struct Format {
  int mantissa_bits, bias;
  std::uint16_t infinity;
  float (*widen)(std::uint16_t);
  std::uint16_t (*narrow)(float);
  std::uint16_t (*narrow_double)(double);
};

const Format kHalf{10, 15, 0x7C00, half_to_float, float_to_half, double_to_half};
const Format kBFloat16{7, 127, 0x7F80, bfloat16_to_float, float_to_bfloat16, double_to_bfloat16};

// What non-negative, finite bits stand for; one further than the largest: where the next would be.
double value_of(const Format& format, int bits) {
  const int exponent = bits >> format.mantissa_bits, steps = 1 << format.mantissa_bits;
  const int mantissa = bits & (steps - 1);
  return exponent == 0 ? std::ldexp(mantissa, 1 - format.bias - format.mantissa_bits)
                       : std::ldexp(steps + mantissa, exponent - format.bias - format.mantissa_bits);
}

// The number of values that are not as defined, so that a failure is one line and not thousands.
int wrong_values(const Format& format) {
  int wrong = 0;
  for (int bits = 0; bits < 0x8000; ++bits)
    for (const int sign : {0, 0x8000}) {
      const auto pattern = static_cast<std::uint16_t>(bits | sign);
      const float wide = format.widen(pattern);
      const bool negative = std::signbit(wide);
      bool right = negative == (sign != 0);
      if (bits < format.infinity)
        right = right && std::fabs(wide) == value_of(format, bits) && format.narrow(wide) == pattern;
      else if (bits == format.infinity)
        right = right && std::isinf(wide) && format.narrow(wide) == pattern;
      else
        right = right && std::isnan(wide) && std::isnan(format.widen(format.narrow(wide)));
      wrong += !right;
    }
  return wrong;
}

// Rounds at, just below and just above the middle of every two neighbours.
template <typename Float, typename Narrow>
int wrong_roundings(const Format& format, Narrow narrow) {
  const auto infinity = std::numeric_limits<Float>::infinity();
  int wrong = 0;
  for (int bits = 0; bits < format.infinity; ++bits) {
    const auto middle = static_cast<Float>((value_of(format, bits) + value_of(format, bits + 1)) / 2);
    const int even = bits % 2 == 0 ? bits : bits + 1;
    wrong += narrow(middle) != even || narrow(-middle) != (even | 0x8000);
    wrong += narrow(std::nextafter(middle, Float{0})) != bits;
    wrong += narrow(std::nextafter(middle, infinity)) != bits + 1;
  }
  return wrong;
}

}  // namespace

TEST_CASE("every half and bfloat16 stands for its value and comes back") {
  CHECK(wrong_values(kHalf) == 0);
  CHECK(wrong_values(kBFloat16) == 0);
}

TEST_CASE("narrowing rounds to nearest, ties to even") {
  CHECK(wrong_roundings<float>(kHalf, kHalf.narrow) == 0);
  CHECK(wrong_roundings<float>(kBFloat16, kBFloat16.narrow) == 0);
  CHECK(wrong_roundings<double>(kHalf, kHalf.narrow_double) == 0);
  CHECK(wrong_roundings<double>(kBFloat16, kBFloat16.narrow_double) == 0);
}

TEST_CASE("narrowing beyond the range") {
  const float infinity = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(float_to_half(65504) == 0x7BFF);
  CHECK(float_to_half(65520) == 0x7C00);
  CHECK(float_to_half(-1e30f) == 0xFC00);
  CHECK(float_to_half(infinity) == 0x7C00);
  CHECK(float_to_half(1e-30f) == 0);
  CHECK(float_to_half(-1e-30f) == 0x8000);
  CHECK(std::isnan(half_to_float(float_to_half(nan))));
  CHECK(float_to_bfloat16(std::numeric_limits<float>::max()) == 0x7F80);
  CHECK(float_to_bfloat16(-infinity) == 0xFF80);
  CHECK(std::isnan(bfloat16_to_float(float_to_bfloat16(nan))));
  CHECK(double_to_half(1e300) == 0x7C00);
  CHECK(double_to_bfloat16(-1e300) == 0xFF80);
  CHECK(double_to_half(1e-300) == 0);
  CHECK(std::isnan(half_to_float(double_to_half(std::nan("")))));
}
