#include <nlohmann/json.hpp>
#include <optional>

#include "apps/commands/commands.h"
#include "apps/random_work.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "backends/profile/profile.h"
#include "engine/counters.h"

namespace tapeline {

namespace {

struct ProfileArguments {
  WorkChoice work;
  int steps = 5;
  bool json = false;
};

/// Milliseconds and calls are for one step.
struct Row {
  std::string kernel, shapes;
  double calls, ms, share, gflops, gbytes, roofline;
};

Row row_of(const ProfileEntry& entry, const DeviceInfo& device, double total, int steps) {
  return {entry.kernel,
          entry.shapes,
          static_cast<double>(entry.calls) / steps,
          1e3 * entry.seconds / steps,
          entry.seconds / total,
          entry.flops / entry.seconds / 1e9,
          entry.bytes / entry.seconds / 1e9,
          roofline_seconds(device, entry.flops, entry.bytes) / entry.seconds};
}

/// What a step is once it has been recorded: nothing waits between its kernels.
struct Whole {
  double ms = 0, submissions = 0, waits = 0;
};

/// Nothing where the device does not count.
std::optional<Whole> run_whole(const WorkChoice& choice, const Device& device, int steps) {
  constexpr int kRehearsals = 3;
  RandomWork work(choice, device);
  for (int i = 0; i < kRehearsals; ++i) work.run();
  const DeviceCounters before = counters_of(*device);
  if (before.submissions == 0) return std::nullopt;
  const Stopwatch watch;
  for (int i = 0; i < steps; ++i) work.run();
  const double seconds = watch.seconds();
  const DeviceCounters after = counters_of(*device);
  return Whole{1e3 * seconds / steps, static_cast<double>(after.submissions - before.submissions) / steps,
               static_cast<double>(after.waits - before.waits) / steps};
}

void print_json(const std::vector<Row>& rows, const DeviceInfo& device, double ms,
                const std::optional<Whole>& whole) {
  nlohmann::json json{{"device", device.name},
                      {"peak_gflops", device.peak_flops / 1e9},
                      {"peak_gb_per_s", device.peak_bytes / 1e9},
                      {"ms", ms},
                      {"kernels", nlohmann::json::array()}};
  if (whole)
    json["recorded"] = {{"ms", whole->ms}, {"submissions", whole->submissions}, {"waits", whole->waits}};
  for (const Row& r : rows)
    json["kernels"].push_back({{"kernel", r.kernel},
                               {"shapes", r.shapes},
                               {"calls", r.calls},
                               {"ms", r.ms},
                               {"share", r.share},
                               {"gflops", r.gflops},
                               {"gb_per_s", r.gbytes},
                               {"roofline", r.roofline}});
  fmt::print("{}\n", json.dump(2));
}

void print_table(const std::vector<Row>& rows, const DeviceInfo& device, double ms) {
  Table table({"kernel", "calls", "ms", "share", "GFLOP/s", "GB/s", "roofline", "operands"});
  for (const Row& r : rows)
    table.add({r.kernel, fmt::format("{:g}", r.calls), fmt::format("{:.3f}", r.ms),
               fmt::format("{:.1f} %", 100 * r.share), fmt::format("{:.1f}", r.gflops),
               fmt::format("{:.1f}", r.gbytes),
               r.roofline > 0 ? fmt::format("{:.0f} %", 100 * r.roofline) : "-", r.shapes});
  fmt::print("{}\n{}: {:.3f} ms in kernels a step; peaks measured: {:.0f} GFLOP/s, {:.1f} GB/s\n",
             table.text(), device.name, ms, device.peak_flops / 1e9, device.peak_bytes / 1e9);
}

int run(const ProfileArguments& arguments) {
  const Device plain = arguments.work.open_device();
  const auto device = std::make_shared<ProfileBackend>(plain);
  const DeviceInfo info = device->describe();
  {
    RandomWork work(arguments.work, device);
    work.run();
    device->reset();
    for (int i = 0; i < arguments.steps; ++i) work.run();
  }
  const std::optional<Whole> whole = run_whole(arguments.work, plain, arguments.steps);

  const std::vector<ProfileEntry> entries = device->entries();
  double total = 0;
  for (const ProfileEntry& entry : entries) total += entry.seconds;
  std::vector<Row> rows;
  for (const ProfileEntry& entry : entries) rows.push_back(row_of(entry, info, total, arguments.steps));
  const double ms = 1e3 * total / arguments.steps;
  if (arguments.json)
    print_json(rows, info, ms, whole);
  else
    print_table(rows, info, ms);
  if (whole && !arguments.json)
    fmt::print("Recorded, without a wait between kernels: {:.3f} ms a step, {:g} submissions, {:g} waits\n",
               whole->ms, whole->submissions, whole->waits);
  return 0;
}

}  // namespace

std::function<int()> define_profile(Arguments& arguments) {
  auto given = std::make_shared<ProfileArguments>();
  given->work.declare(arguments);
  arguments.option("--steps", given->steps, "Steps to measure, after one to warm up", 1, 1'000'000);
  arguments.flag("--json", given->json, "One JSON object, for programs");
  arguments.examples(
      "  tapeline profile --preset captcha --mode train --batch 64\n"
      "\nRoofline: the time in which the device could do the kernel's arithmetic, or move each operand once "
      "from and to\n"
      "memory, whichever is longer, as a share of the time that it took. Operands that stay in a cache can "
      "pass 100 %.");
  return [given] { return run(*given); };
}

}  // namespace tapeline
