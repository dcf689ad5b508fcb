#include "backends/vulkan/tune.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "engine/backend.h"

namespace tapeline::vulkan {
namespace {

// One size for each class, within its limits.
constexpr std::array kChannels{4, 32, 128}, kOutputs{32, 128, 256};
constexpr std::array kHidden{32, 64, 128, 256};
static_assert(9 * kChannels[0] <= TaskClass::kInner[0] && 9 * kChannels[1] <= TaskClass::kInner[1]);
static_assert(kOutputs[0] <= TaskClass::kOutputs[0] && kOutputs[1] <= TaskClass::kOutputs[1]);

/// Zeros: how long a product takes does not depend on its factors.
View zeros(const Bench& bench, const Shape& shape) {
  View view;
  view.shape = shape;
  const std::size_t bytes = view.bytes();
  view.storage = std::make_shared<Storage>(
      Storage{.backend = bench.backend, .bytes = bytes, .block = bench.backend->allocate(bytes)});
  bench.backend->run(Fill{view, 0});
  return view;
}

struct Trial {
  TaskClass task;
  Kernel kernel;
};

// As many as keep it busy.
int images(const Bench& bench) { return bench.device->is_cpu() ? 1 : 64; }

Conv2dGeometry geometry(const Bench& bench, int channels, int outputs) {
  Conv2dGeometry g;
  g.batch = images(bench);
  g.in_height = g.out_height = 16;
  g.in_width = g.out_width = 32;
  g.in_channels = channels;
  g.out_channels = outputs;
  g.window.height = g.window.width = 3;
  g.window.pad_top = g.window.pad_left = 1;
  return g;
}

void add_convolutions(const Bench& bench, std::vector<Trial>& trials) {
  for (const Family family : {Family::product, Family::weight_gradient})
    for (const int channels : kChannels)
      for (const int outputs : kOutputs) {
        const Conv2dGeometry g = geometry(bench, channels, outputs);
        const View input = zeros(bench, {g.batch, g.in_height, g.in_width, channels}),
                   weight = zeros(bench, {3, 3, channels, outputs}),
                   output = zeros(bench, {g.batch, g.out_height, g.out_width, outputs});
        const TaskClass task = class_of({family, 9 * channels, outputs});
        if (family == Family::product)
          trials.push_back({task, Conv2dForward{input, weight, {}, output, g, {}}});
        else
          trials.push_back({task, Conv2dBackwardWeight{input, output, weight, {}, g}});
      }
}

void add_recurrences(const Bench& bench, std::vector<Trial>& trials) {
  for (const int hidden : kHidden) {
    const LstmGeometry g{.batch = images(bench), .steps = 16, .hidden = hidden, .directions = 2};
    const Shape wide{g.batch, g.steps, 2, 4 * hidden}, narrow{g.batch, g.steps, 2 * hidden};
    const View gates_in = zeros(bench, wide), gates = zeros(bench, wide),
               w_hh = zeros(bench, {2, hidden, 4 * hidden}), output = zeros(bench, narrow),
               grad_output = zeros(bench, narrow), cells = zeros(bench, {g.batch, g.steps, 2, hidden});
    trials.push_back({class_of({Family::lstm_forward, hidden, hidden}),
                      LstmForward{gates_in, w_hh, {}, output, gates, cells, g}});
    trials.push_back({class_of({Family::lstm_backward, hidden, hidden}),
                      LstmBackward{w_hh, {}, output, gates, cells, grad_output, gates_in, {}, g}});
  }
}

/// One variant of a kernel, recorded.
struct Runner {
  Variant variant;
  std::vector<std::shared_ptr<Block>> scratch;
  std::shared_ptr<Recording> recording;
  int repeats = 1;
  double seconds = std::numeric_limits<double>::infinity();
};

double time_of(const Bench& bench, const std::shared_ptr<Recording>& recording) {
  const auto begin = std::chrono::steady_clock::now();
  bench.queue->submit(recording);
  bench.queue->wait();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::shared_ptr<Recording> record(const Bench& bench, const Plan& plan, int repeats) {
  auto recording = std::make_shared<Recording>(bench.device, bench.pipelines);
  recording->begin();
  for (int i = 0; i < repeats; ++i)
    for (const Dispatch& dispatch : plan.dispatches()) recording->add(dispatch);
  recording->end();
  return recording;
}

/// Every variant that does this kernel here, in the order of preference.
std::vector<Runner> runners(const Bench& bench, const Kernel& kernel) {
  constexpr double kLeast = .002;  // seconds of a submission, beside which its own cost does not count
  std::vector<Runner> runners;
  for (const Variant variant : kVariants) {
    const Variants only = Variants::only(variant);
    Plan plan(*bench.device, bench.memory, only);
    plan.add(kernel);
    if (plan.chosen() != variant) continue;
    Runner made{.variant = variant, .scratch = plan.scratch_blocks(), .recording = record(bench, plan, 1)};
    time_of(bench, made.recording);  // drivers compile
    made.repeats = static_cast<int>(std::clamp(kLeast / time_of(bench, made.recording), 1.0, 64.0));
    if (made.repeats > 1) made.recording = record(bench, plan, made.repeats);
    runners.push_back(std::move(made));
  }
  return runners;
}

}  // namespace

std::vector<TunedKernel> tune(const Bench& bench) {
  constexpr int kRounds = 4;
  constexpr double kClearly = .95;
  bench.queue->wait();
  std::vector<Trial> trials;
  add_convolutions(bench, trials);
  add_recurrences(bench, trials);
  Variants::Choice choice;
  std::vector<TunedKernel> report;
  for (const Trial& trial : trials) {
    std::vector<Runner> all = runners(bench, trial.kernel);
    for (int round = 0; round < kRounds; ++round)
      for (Runner& runner : all)
        runner.seconds = std::min(runner.seconds, time_of(bench, runner.recording) / runner.repeats);
    const Runner* best = &all.front();
    for (const Runner& runner : all)
      if (runner.seconds < best->seconds * kClearly) best = &runner;
    choice[trial.task] = best->variant;
    TunedKernel told{.kernel = std::string(name_of(trial.task.family)),
                     .size = size_of(trial.task),
                     .chosen = std::string(name_of(best->variant)),
                     .ways = {}};
    for (const Runner& runner : all)
      told.ways.push_back({std::string(name_of(runner.variant)), 1e3 * runner.seconds});
    report.push_back(std::move(told));
  }
  write_choice(identity_of(bench.device->physical()), choice, bench.device->precision());
  return report;
}

}  // namespace tapeline::vulkan
