// A long training takes no more memory than a short one. TAPELINE_GROWTH_STEPS=50000 makes it a long one.

#include <doctest/doctest.h>
#include <malloc.h>

#include <fstream>

#include "backends/registry.h"
#include "models/training/trainer.h"
#include "tests/robustness/faults.h"
#include "tests/robustness/material.h"

namespace tapeline {

namespace {

/// What this process holds. What it has freed is given back first (drawing the curves takes 3 MiB that the
/// heap keeps or not, as it happens to lie), and pages of the program's file are not counted: they come and
/// go as the system likes.
std::int64_t own_kib() {
  ::malloc_trim(0);
  std::int64_t sum = 0;
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key; status.ignore(1000, '\n'))
    if (std::int64_t kib = 0; key == "RssAnon:" || key == "VmSwap:") sum += (status >> kib, kib);
  return sum;
}

}  // namespace

TEST_CASE("growth: a training takes no more memory after its first 1,000 steps" * doctest::skip(is_slow())) {
  const TemporaryFolder folder;
  TrainOptions options;
  options.network = kTiny;
  options.data = "synth:expressions";
  options.validate = "synth:expressions?seed=2&count=4";
  options.training = open_dataset(options.data);
  options.validation = open_dataset(options.validate);
  options.batch = 4;
  options.steps = cases("TAPELINE_GROWTH_STEPS", 4'000);
  options.evaluate_every = 500;
  options.output = (folder / "run").string();
  const Ran ran = run_in_child(
      [&] {
        std::int64_t begin = 0, end = 0;
        TrainCallbacks callbacks;
        callbacks.progress = [&](const TrainProgress& progress) {
          if (progress.evaluation) (progress.step == 1000 ? begin : end) = own_kib();
        };
        train(options, open_device("cpu", {.threads = 2}), callbacks);
        fmt::print("{}", end - begin);
        return begin > 0 && end - begin <= 1024 ? 0 : 1;
      },
      {}, kPatience);
  MESSAGE(options.steps << " steps, " << ran.out << " KiB more than after 1,000");
  CAPTURE(ran.err);
  CHECK(ran.status == 0);
}

}  // namespace tapeline
