#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace tapeline {

/// The extents of a tensor, outermost first; row-major and contiguous everywhere. Rank 0 is a scalar of one
/// element. Images are NHWC, sequences [N, T, C].
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  /// Throws on more than kMaxRank extents, a negative one, or more than 2^62 elements.
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  int rank() const { return rank_; }
  /// Extent of an axis; a negative axis counts from the end (-1 is the innermost). Throws when there is no
  /// such axis.
  std::int64_t operator[](int axis) const;
  std::int64_t elements() const;
  /// "[2, 3, 4]"
  std::string text() const;

  const std::int64_t* begin() const { return extents_.data(); }
  const std::int64_t* end() const { return extents_.data() + rank_; }
  bool operator==(const Shape& other) const = default;

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

/// The shape that two shapes broadcast to: aligned at the innermost axis, an extent of 1 stretches. Throws,
/// naming `op`, when they do not fit.
Shape broadcast(const Shape& a, const Shape& b, const char* op);

}  // namespace tapeline
