#include "models/training/loss_scale.h"

#include <doctest/doctest.h>

namespace tapeline {

TEST_CASE("loss scale: halved at an overflow, doubled after two thousand steps without") {
  LossScale scale;
  CHECK(scale.adapt(false));
  CHECK(scale.value == 32768);
  for (int step = 1; step < LossScale::kPatience; ++step) CHECK(scale.adapt(true));
  CHECK(scale.value == 32768);
  CHECK(scale.adapt(true));
  CHECK(scale.value == 65536);
  for (int step = 0; step < 20 * LossScale::kPatience; ++step) scale.adapt(true);
  CHECK(scale.value == LossScale::kLargest);
}

TEST_CASE("loss scale: at 1 it is not to blame") {
  LossScale scale;
  while (scale.value > 1) CHECK(scale.adapt(false));
  CHECK_FALSE(scale.adapt(false));
  CHECK(scale.value == 1);
}

}  // namespace tapeline
