// Builds a network and trains it, in thirty lines: on which of two moons does a point lie?

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "backends/registry.h"
#include "engine/nn/linear.h"
#include "engine/ops/ops.h"
#include "engine/optim/optimizer.h"
#include "engine/program.h"

using namespace tapeline;

// Two half circles that reach into each other, blurred: points [N, 2], and on which moon each lies, 1 or -1.
void draw_moons(const Tensor& points, const Tensor& moon, Random& random) {
  std::vector<float> xy, sides;
  for (int i = 0; i < moon.elements(); ++i) {
    const float side = random.chance(0.5f) ? 1 : -1, angle = random.uniform(0, std::numbers::pi_v<float>);
    xy.push_back(side * (std::cos(angle) - 0.5f) + 0.1f * random.normal());
    xy.push_back(side * (std::sin(angle) - 0.25f) + 0.1f * random.normal());
    sides.push_back(side);
  }
  points.upload(xy);
  moon.upload(sides);
}

int main() {
  const Device device = open_device("auto");
  Random random(1);
  const Linear hidden(device, random, {.in = 2, .out = 32, .activation = {ActivationKind::tanh}});
  const Linear output(device, random, {.in = 32, .out = 1});
  State state;
  hidden.collect("hidden", state);
  output.collect("output", state);
  const Optimizer optimizer(state.parameters, parse_optimizer("adam"));

  const Tensor points = Tensor::zeros(device, {256, 2}), moon = Tensor::zeros(device, {256, 1});
  Tensor score, loss;
  Program step = record([&] {  // a whole training step: forward, backward, update
    score = output.forward(hidden.forward(points));
    loss = mean(log(1.0 + exp(-score * moon)));
    loss.backward();
    optimizer.step();
  });
  step.compile();

  double accuracy = 0;
  for (int i = 0; i <= 300; ++i) {
    draw_moons(points, moon, random);  // new ones at each step: no point is seen twice
    optimizer.prepare(i, 0.02);
    step.replay();
    if (i % 50 != 0) continue;
    accuracy = 50 + 50 * mean(sign(score * moon)).item();
    fmt::print("step {:3}  loss {:.4f}  accuracy {:5.1f} %\n", i, loss.item(), accuracy);
  }
  return accuracy >= 95 ? 0 : 1;
}
