#include "apps/measure.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "apps/terminal.h"
#include "engine/error.h"

namespace tapeline {

std::vector<double> measure(const std::function<void()>& work, const Repetitions& repetitions) {
  std::vector<double> times;
  const Stopwatch all;
  const auto enough = [&] {
    const auto done = static_cast<int>(times.size());
    return done >= repetitions.most || (done >= repetitions.least && all.seconds() >= repetitions.seconds);
  };
  while (!enough()) {
    const Stopwatch one;
    work();
    times.push_back(1e3 * one.seconds());
  }
  std::sort(times.begin(), times.end());
  return times;
}

double percentile(const std::vector<double>& values, double share) {
  const double at = share * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at), high = std::min(low + 1, values.size() - 1);
  return std::lerp(values[low], values[high], at - static_cast<double>(low));
}

// Not from getrusage(), which also counts what the parent process held before it started this one.
double peak_rss_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  return 0;
}

nlohmann::json summary(const std::vector<double>& times) {
  return {{"repetitions", times.size()},       {"median_ms", percentile(times, 0.5)},
          {"p10_ms", percentile(times, 0.1)},  {"p90_ms", percentile(times, 0.9)},
          {"p99_ms", percentile(times, 0.99)}, {"peak_rss_mib", peak_rss_mib()}};
}

void measure_on_request(const std::function<void()>& work) {
  const auto say = [](const nlohmann::json& json) {
    fmt::print("{}\n", json.dump());
    std::fflush(stdout);
  };
  say({{"ready", true}});
  for (std::string line; std::getline(std::cin, line);) {
    Repetitions asked;
    std::istringstream words(line);
    if (!(words >> asked.seconds >> asked.least) || asked.seconds < 0 || asked.least < 1)
      throw Error("\"{}\" is no request; give seconds and the least repetitions, such as: 1.5 20", line);
    asked.most = std::max(asked.most, asked.least);
    work();
    say(summary(measure(work, asked)));
  }
}

}  // namespace tapeline
