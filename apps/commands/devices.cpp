#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/table.h"
#include "backends/registry.h"

namespace tapeline {

namespace {

struct DevicesArguments {
  int threads = 0;
  bool json = false;
};

std::string amount(double value, double unit) {
  return value > 0 ? fmt::format("{:.1f}", value / unit) : "-";
}

std::vector<std::string> names_of(const std::vector<Precision>& precisions) {
  std::vector<std::string> names;
  for (const Precision p : precisions) names.emplace_back(name_of(p));
  return names;
}

nlohmann::json to_json(const DeviceEntry& entry) {
  return {{"id", entry.info.id},
          {"usable", entry.usable},
          {"name", entry.info.name},
          {"memory_bytes", entry.info.memory},
          {"peak_gflops", entry.info.peak_flops / 1e9},
          {"peak_gb_per_s", entry.info.peak_bytes / 1e9},
          {"precisions", names_of(entry.info.precisions)},
          {"reason", entry.reason}};
}

int run(const DevicesArguments& arguments) {
  const std::vector<DeviceEntry> entries = list_devices({.threads = arguments.threads});
  if (arguments.json) {
    nlohmann::json json = nlohmann::json::array();
    for (const DeviceEntry& entry : entries) json.push_back(to_json(entry));
    fmt::print("{}\n", json.dump(2));
    return 0;
  }
  Table table({"device", "memory GiB", "peak GFLOP/s", "peak GB/s", "precisions", "what it is"});
  for (const auto& [info, usable, reason] : entries)
    table.add({info.id, amount(static_cast<double>(info.memory), 1 << 30), amount(info.peak_flops, 1e9),
               amount(info.peak_bytes, 1e9),
               usable ? fmt::format("{}", fmt::join(names_of(info.precisions), " ")) : "-",
               usable ? info.name : fmt::format("{}; cannot be used: {}", info.name, reason)});
  fmt::print("{}", table.text());
  return 0;
}

}  // namespace

std::function<int()> define_devices(Arguments& arguments) {
  auto given = std::make_shared<DevicesArguments>();
  arguments.option("--threads", given->threads, "Threads of the processor; 0: as many as cores", 0, 1024);
  arguments.flag("--json", given->json, "One JSON array, for programs");
  arguments.examples("  tapeline devices");
  return [given] { return run(*given); };
}

}  // namespace tapeline
