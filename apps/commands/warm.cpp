// Does some of a network's work once, so that a device's driver has compiled what it needs before it counts.

#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/random_work.h"
#include "apps/terminal.h"
#include "engine/counters.h"
#include "engine/io/cache_folder.h"

namespace tapeline {

namespace {

struct WarmArguments {
  WorkChoice work;
  bool json = false;
};

int run(const WarmArguments& arguments) {
  const Stopwatch watch;
  const Device device = arguments.work.open_device();
  WorkChoice choice = arguments.work;
  RandomWork(choice, device).run();
  if (!choice.trains() && choice.batch != 1) {
    choice.batch = 1;
    RandomWork(choice, device).run();
  }
  const DeviceInfo info = device->describe();
  const std::int64_t built = counters_of(*device).built;
  const double seconds = watch.seconds();
  const auto folder = cache_folder();
  if (arguments.json)
    fmt::print("{}\n", nlohmann::json{{"device", info.id},
                                      {"kernels", built},
                                      {"seconds", seconds},
                                      {"cache", built && folder ? folder->string() : ""}}
                           .dump());
  else if (built == 0)
    fmt::print("{}: nothing needs to be compiled here\n", info.id);
  else
    fmt::print("{}: {} kernels are ready after {:.2f} s, and kept by the driver{}\n", info.id, built, seconds,
               folder ? " and in " + folder->string() : "");
  return 0;
}

}  // namespace

std::function<int()> define_warm(Arguments& arguments) {
  auto given = std::make_shared<WarmArguments>();
  given->work.declare(arguments);
  arguments.flag("--json", given->json, "One JSON object, for programs");
  arguments.examples(
      "  tapeline warm best.safetensors --device vulkan\n"
      "  tapeline warm --preset captcha --mode train --batch 64 --device vulkan\n"
      "\nReading is done for this batch and for single pictures. TAPELINE_CACHE names another folder than "
      "the one "
      "in\n~/.cache for what is kept.");
  return [given] { return run(*given); };
}

}  // namespace tapeline
