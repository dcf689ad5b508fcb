#pragma once

// From the element type of a view, known at run time, to a template argument:
//   with_float(view.dtype, [&]<typename T>() { T* values = view.data<T>(); ... });

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "engine/dtype.h"
#include "engine/error.h"
#include "engine/half.h"
#include "engine/storage.h"

namespace tapeline::reference {

struct Half {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

/// Calls body<float>() or body<double>(); throws on any other type.
template <typename Body>
void with_float(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return body.template operator()<float>();
    case DType::f64:
      return body.template operator()<double>();
    default:
      throw Error("operands are {}, which is not computed with: cast them to f32 or f64", name_of(dtype));
  }
}

/// Calls body<T>() for any element type.
template <typename Body>
void with_type(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return body.template operator()<float>();
    case DType::f64:
      return body.template operator()<double>();
    case DType::f16:
      return body.template operator()<Half>();
    case DType::bf16:
      return body.template operator()<BFloat16>();
    case DType::i32:
      return body.template operator()<std::int32_t>();
    case DType::u8:
      return body.template operator()<std::uint8_t>();
  }
}

/// A double holds every value of every element type.
template <typename T>
double to_double(T value) {
  if constexpr (std::is_same_v<T, Half>)
    return half_to_float(value.bits);
  else if constexpr (std::is_same_v<T, BFloat16>)
    return bfloat16_to_float(value.bits);
  else
    return value;
}

/// By the rules of Cast.
template <typename T>
T from_double(double value) {
  if constexpr (std::is_same_v<T, Half>) {
    return {double_to_half(value)};
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return {double_to_bfloat16(value)};
  } else if constexpr (std::is_integral_v<T>) {
    using Limits = std::numeric_limits<T>;
    return std::isnan(value) ? T{0} : static_cast<T>(std::clamp<double>(value, Limits::min(), Limits::max()));
  } else {
    return static_cast<T>(value);
  }
}

/// Null for an absent operand.
template <typename T>
T* data_or_null(const View& view) {
  return view ? view.data<T>() : nullptr;
}

}  // namespace tapeline::reference
