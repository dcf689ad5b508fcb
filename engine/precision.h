#pragma once

#include <string_view>

namespace tapeline {

/// What the factors of matrix products (Gemm, Conv2d*; those of the LSTM's recurrence where a backend says
/// so) are rounded to before they are multiplied. Sums and everything else stay f32: all that is kept in
/// memory, statistics, softmax, loss, optimiser. tf32 keeps 10 bits behind the point, bf16 7, fp16 10 and a
/// narrower range. A property of a device as it was opened; f64 is never rounded.
enum class Precision { fp32, tf32, bf16, fp16 };

constexpr std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
    case Precision::fp16:
      return "fp16";
  }
  return "?";
}

/// Throws, naming those that there are, on any other.
Precision parse_precision(std::string_view text);

}  // namespace tapeline
