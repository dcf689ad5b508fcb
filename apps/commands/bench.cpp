#include <algorithm>
#include <cmath>
#include <fstream>

#include "apps/commands/commands.h"
#include "apps/device_options.h"
#include "apps/random_work.h"
#include "apps/table.h"
#include "apps/terminal.h"

namespace tapeline {

namespace {

const Stopwatch since_start;  // of the process, as near as a program knows

struct BenchArguments {
  WorkChoice work;
  DeviceChoice device;
  int steps = 0;
  bool json = false;
};

constexpr int kWarmUp = 2, kLeast = 20, kMost = 2000;
constexpr double kLeastSeconds = 1.5;

/// The largest resident set so far, in MiB. Not from getrusage(), which also counts what the parent process
/// held before it started this one.
double peak_rss_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  return 0;
}

/// Linear between the two nearest of the ascending values.
double percentile(const std::vector<double>& values, double share) {
  const double at = share * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at), high = std::min(low + 1, values.size() - 1);
  return std::lerp(values[low], values[high], at - static_cast<double>(low));
}

/// Milliseconds of each repetition, ascending. `steps` 0: at least 20, for at least 1.5 s.
std::vector<double> measure(RandomWork& work, int steps) {
  for (int i = 0; i < kWarmUp; ++i) work.run();
  std::vector<double> times;
  const Stopwatch all;
  const auto enough = [&] {
    const auto done = static_cast<int>(times.size());
    return steps > 0 ? done >= steps : done >= kMost || (done >= kLeast && all.seconds() >= kLeastSeconds);
  };
  while (!enough()) {
    const Stopwatch one;
    work.run();
    times.push_back(1e3 * one.seconds());
  }
  std::sort(times.begin(), times.end());
  return times;
}

int run(const BenchArguments& arguments) {
  arguments.work.network.check();
  const Device device = arguments.device.open();
  RandomWork work(arguments.work, device);
  work.run();
  const double cold_start = 1e3 * since_start.seconds();
  const std::vector<double> times = measure(work, arguments.steps);
  const double median = percentile(times, 0.5);
  const double rate = 1e3 * arguments.work.batch / median;
  const double memory = peak_rss_mib();
  const std::string name = device->describe().name;

  if (arguments.json) {
    const nlohmann::json json{{"mode", arguments.work.mode},
                              {"network", work.model().spec().text},
                              {"device", name},
                              {"batch", arguments.work.batch},
                              {"width", work.batch().width},
                              {"repetitions", times.size()},
                              {"median_ms", median},
                              {"p10_ms", percentile(times, 0.1)},
                              {"p90_ms", percentile(times, 0.9)},
                              {"p99_ms", percentile(times, 0.99)},
                              {"images_per_s", rate},
                              {"peak_rss_mib", memory},
                              {"cold_start_ms", cold_start}};
    fmt::print("{}\n", json.dump());
    return 0;
  }
  Table table({"median ms", "p10", "p90", "p99", "images/s", "peak MiB", "cold start ms"});
  const auto ms = [](double value) { return fmt::format("{:.2f}", value); };
  table.add({ms(median), ms(percentile(times, 0.1)), ms(percentile(times, 0.9)), ms(percentile(times, 0.99)),
             fmt::format("{:.1f}", rate), fmt::format("{:.0f}", memory), fmt::format("{:.0f}", cold_start)});
  fmt::print("{}, batch {}, {} repetitions, {}\n{}", arguments.work.trains() ? "training step" : "inference",
             arguments.work.batch, times.size(), name, table.text());
  return 0;
}

}  // namespace

std::function<int()> define_bench(Arguments& arguments) {
  auto given = std::make_shared<BenchArguments>();
  given->work.declare(arguments);
  arguments.option("--steps", given->steps, "Repetitions; 0: at least 20, for at least 1.5 s", 0, 1'000'000);
  arguments.flag("--json", given->json, "One JSON object, for programs");
  given->device.declare(arguments);
  arguments.examples(
      "  tapeline bench --preset captcha --mode train --batch 64 --threads 2\n"
      "  tapeline bench best.safetensors --batch 1 --json\n"
      "\nThe cold start is from the start of the process to the first result, and not among the "
      "repetitions.");
  return [given] { return run(*given); };
}

}  // namespace tapeline
