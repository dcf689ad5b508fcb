#include "engine/ops/window.h"

#include <doctest/doctest.h>

#include "tests/ops/harness.h"

namespace tapeline::testing {

TEST_CASE("window: SAME is TensorFlow's") {
  struct {
    int input, size, stride, dilation, output, leading;
  } const kTable[] = {
      {7, 3, 1, 1, 7, 1}, {7, 2, 1, 1, 7, 0}, {8, 3, 2, 1, 4, 0},  // one row of padding, after the last
      {7, 3, 2, 1, 4, 1}, {5, 2, 2, 1, 3, 0}, {10, 5, 2, 1, 5, 1},   {9, 1, 3, 1, 3, 0},
      {7, 3, 1, 2, 7, 2}, {1, 5, 1, 1, 1, 2}, {180, 2, 2, 1, 90, 0}, {0, 3, 2, 1, 0, 0},
  };
  for (const auto& row : kTable) {
    const WindowExtent found =
        window_extent("test", "width", row.input, row.size, row.stride, row.dilation, Padding::same().width);
    CHECK_MESSAGE(found.output == row.output, row.input, " ", row.size, " ", row.stride);
    CHECK_MESSAGE(found.leading == row.leading, row.input, " ", row.size, " ", row.stride);
  }
}

TEST_CASE("window: VALID and explicit padding") {
  const auto extent = [](int input, int size, int stride, int dilation, const AxisPadding& padding) {
    const WindowExtent e = window_extent("test", "width", input, size, stride, dilation, padding);
    return std::pair(e.output, e.leading);
  };
  CHECK(extent(7, 3, 1, 1, Padding::valid().width) == std::pair(5, 0));
  CHECK(extent(8, 3, 2, 1, Padding::valid().width) == std::pair(3, 0));
  CHECK(extent(3, 3, 4, 1, Padding::valid().width) == std::pair(1, 0));
  CHECK(extent(7, 3, 1, 3, Padding::valid().width) == std::pair(1, 0));
  CHECK(extent(7, 3, 2, 1, Padding::explicit_(9, 9, 2, 0).width) == std::pair(4, 2));
  CHECK(extent(2, 2, 2, 1, Padding::explicit_(1, 1, 9, 9).height) == std::pair(2, 1));
}

TEST_CASE("window: wrong input") {
  const auto ask = [](std::int64_t input, int size, const AxisPadding& padding) {
    return [=] { window_extent("pool", "height", input, size, 1, 1, padding); };
  };
  check_wrong({
      {ask(2, 3, Padding::valid().height), {"pool", "height", "3 elements", "on 2"}},
      {ask(0, 1, Padding::valid().height), {"pool", "height"}},
      {ask(std::int64_t{1} << 40, 1, Padding::same().height), {"pool", "out of range"}},
      {ask(5, 3, Padding::explicit_(-1, 0, 0, 0).height), {"pool", "-1 before"}},
      {ask(5, 0, Padding::same().height), {"pool", "size 0"}},
  });
}

}  // namespace tapeline::testing
