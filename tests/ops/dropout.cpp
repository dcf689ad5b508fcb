#include "engine/ops/dropout.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/ops/activation.h"
#include "engine/random.h"
#include "tests/ops/harness.h"

namespace tapeline::testing {

TEST_CASE("dropout: rows") {
  std::vector<Row> rows;
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{5}, Shape{3, 5, 7}, Shape{0, 4}, Shape{63, 129}})
    rows.push_back({fmt::format("dropout of {}", shape.text()),
                    {random(shape), integers({7, -1, 12})},
                    [](const Inputs& x) { return dropout(x[0], .2f, x[1], 3); }});
  rows.push_back({"dropout of most", {random({40}), integers({1, 2, 3})}, [](const Inputs& x) {
                    return dropout(x[0], .9f, x[1], 0);
                  }});
  rows.push_back({"dropout twice", {random({40}), integers({1, 2, 3})}, [](const Inputs& x) {
                    return dropout(tanh(dropout(x[0], .5f, x[1], 0)), .5f, x[1], 1);
                  }});
  rows.push_back({"dropout of none", {random({4}), integers({1, 2, 3})}, [](const Inputs& x) {
                    return tanh(dropout(x[0], 0, x[1], 0));
                  }});
  check_rows(rows);
}

TEST_CASE("dropout: the mask is a function of seed, step, stream and position") {
  constexpr int kSize = 4001;
  const Tensor ones = Tensor::full(reference(), {kSize}, 1, DType::f64);
  const auto mask = [&](std::initializer_list<std::int32_t> state, std::uint32_t stream) {
    return values_of(dropout(ones, .25f, i32(state), stream));
  };
  const Values first = mask({5, 6, 7}, 8);
  double kept = 0;
  for (int i = 0; i < kSize; ++i) {
    const PhiloxBlock block = philox({static_cast<std::uint32_t>(i / 4), 7, 8, 0}, {5, 6});
    const bool keep = static_cast<double>(block[static_cast<std::size_t>(i % 4)] >> 8) * 0x1p-24 >= .25;
    CHECK(std::abs(first[static_cast<std::size_t>(i)] - (keep ? 1 / .75 : 0)) < 1e-12);
    kept += keep;
  }
  CHECK(std::abs(kept / kSize - .75) < .03);
  CHECK(mask({5, 6, 7}, 8) == first);
  CHECK(mask({4, 6, 7}, 8) != first);
  CHECK(mask({5, 5, 7}, 8) != first);
  CHECK(mask({5, 6, 8}, 8) != first);
  CHECK(mask({5, 6, 7}, 9) != first);
}

TEST_CASE("dropout: wrong input") {
  const Tensor x = zeros({2, 3}), state = i32({1, 2, 3});
  check_wrong({
      {[&] { dropout({}, .5f, state, 0); }, {"dropout", "missing"}},
      {[&] { dropout(x, 1, state, 0); }, {"dropout", "rate 1"}},
      {[&] { dropout(x, -.1f, state, 0); }, {"dropout", "rate -0.1"}},
      {[&] { dropout(x, NAN, state, 0); }, {"dropout", "rate nan"}},
      {[&] { dropout(x, .5f, {}, 0); }, {"dropout", "state", "missing"}},
      {[&] {
         dropout(x, .5f, i32({1, 2}), 0);
       },
       {"dropout", "state", "[2]", "[2, 3]"}},
      {[&] { dropout(x, .5f, zeros({3}), 0); }, {"dropout", "state", "f32"}},
  });
}

}  // namespace tapeline::testing
