#pragma once

// From the element type of a view to a template argument, and from a view to a pointer.

#include <cstdint>

#include "backends/cuda/errors.h"
#include "engine/storage.h"

namespace tapeline::cuda {

/// Calls body<float>() or body<double>(); throws on any other type.
template <typename Body>
void with_float(DType dtype, Body&& body) {
  if (dtype == DType::f32)
    body.template operator()<float>();
  else if (dtype == DType::f64)
    body.template operator()<double>();
  else
    refuse_type(dtype);
}

/// Null for an absent operand.
template <typename T>
T* data_or_null(const View& view) {
  return view ? view.data<T>() : nullptr;
}

}  // namespace tapeline::cuda
