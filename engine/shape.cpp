#include "engine/shape.h"

#include <algorithm>

#include "engine/error.h"

namespace tapeline {

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) {
  if (extents.size() > kMaxRank)
    throw Error("shape: {} axes are too many, at most {} are possible", extents.size(), kMaxRank);
  constexpr std::int64_t kMost = std::int64_t{1} << 62;
  std::int64_t product = 1;
  for (const std::int64_t extent : extents) {
    if (extent < 0) throw Error("shape: axis {} has the negative extent {}", rank_, extent);
    if (extent > 0 && product > kMost / extent) throw Error("shape: more than 2^62 elements");
    product *= std::max<std::int64_t>(extent, 1);
    extents_[rank_++] = extent;
  }
}

std::int64_t Shape::operator[](int axis) const {
  const int index = axis < 0 ? axis + rank_ : axis;
  if (index < 0 || index >= rank_) throw Error("shape {} has no axis {}", text(), axis);
  return extents_[index];
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : *this) product *= extent;
  return product;
}

std::string Shape::text() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) text += fmt::format("{}{}", i ? ", " : "", extents_[i]);
  return text + "]";
}

Shape broadcast(const Shape& a, const Shape& b, const char* op) {
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  const int rank = std::max(a.rank(), b.rank());
  for (int i = 1; i <= rank; ++i) {
    const std::int64_t x = i <= a.rank() ? a[-i] : 1;
    const std::int64_t y = i <= b.rank() ? b[-i] : 1;
    if (x != y && x != 1 && y != 1)
      throw Error("{}: shapes {} and {} do not broadcast: axis {} from the end has {} and {}", op, a.text(),
                  b.text(), i, x, y);
    extents[rank - i] = x == 1 ? y : x;
  }
  return Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(rank)));
}

}  // namespace tapeline
