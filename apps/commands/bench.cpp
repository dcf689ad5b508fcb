#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/loading_work.h"
#include "apps/measure.h"
#include "apps/random_work.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "engine/tuning.h"

namespace tapeline {

namespace {

const Stopwatch since_start;  // of the process, as near as a program knows

struct BenchArguments {
  WorkChoice work;
  int steps = 0;
  bool json = false, on_request = false, tune = false;
  std::string dump, data, augment = "none";
};

constexpr int kWarmUp = 2;

Repetitions repetitions(int steps) {
  return steps > 0 ? Repetitions{.least = steps, .most = steps, .seconds = 0} : Repetitions{};
}

/// Of the network's pictures and nothing else.
int run_loading(const BenchArguments& arguments) {
  constexpr double kSeconds = 2;
  const WorkChoice& choice = arguments.work;
  choice.network.check();
  const Model model = choice.network.open(open_device("cpu", {.threads = 1}));
  const int threads = choice.device.threads > 0 ? choice.device.threads : available_threads();
  LoadingWork work(model, DataChoice::parse(arguments.data), arguments.augment, choice.batch, threads);
  for (int i = 0; i < kWarmUp; ++i) work.run();
  const Stopwatch watch;
  std::int64_t images = 0;
  for (int i = 0; arguments.steps > 0 ? i < arguments.steps : watch.seconds() < kSeconds; ++i)
    images += work.run();
  const double rate = static_cast<double>(images) / watch.seconds();
  if (arguments.json)
    fmt::print("{}\n", nlohmann::json{{"mode", "load"},
                                      {"data", arguments.data},
                                      {"batch", choice.batch},
                                      {"threads", threads},
                                      {"images", images},
                                      {"images_per_s", rate}}
                           .dump());
  else
    fmt::print("{}: {} images/s with {} thread{}, without the network\n", arguments.data,
               with_commas(std::llround(rate)), threads, threads == 1 ? "" : "s");
  return 0;
}

/// Of the device, and no network.
int run_tuning(const BenchArguments& arguments) {
  if (arguments.work.network.given()) throw UsageError("--tune takes a device and no network");
  const Device device = arguments.work.device.open();
  auto* tunes = dynamic_cast<Tunes*>(device.get());
  if (!tunes)
    throw Error("--tune: {} has one way to compute each kernel; give --device vulkan", device->describe().id);
  const std::vector<TunedKernel> kernels = tunes->tune();
  nlohmann::json json = nlohmann::json::array();
  Table table({"kernel", "size", "fastest", "ms of each"});
  for (const TunedKernel& k : kernels) {
    std::string all;
    nlohmann::json ms = nlohmann::json::object();
    for (const auto& [name, milliseconds] : k.ways) {
      all += fmt::format("{}{} {:.3f}", all.empty() ? "" : ", ", name, milliseconds);
      ms[name] = milliseconds;
    }
    table.add({k.kernel, k.size, k.chosen, all});
    json.push_back({{"kernel", k.kernel}, {"size", k.size}, {"chosen", k.chosen}, {"ms", ms}});
  }
  const DeviceInfo info = device->describe();
  if (arguments.json)
    fmt::print("{}\n", nlohmann::json{{"device", info.name}, {"kernels", json}}.dump());
  else
    fmt::print("{}\n{}: from now on the fastest are taken\n", table.text(), info.name);
  return 0;
}

int run(const BenchArguments& arguments) {
  if (arguments.tune) return run_tuning(arguments);
  if (!arguments.data.empty()) return run_loading(arguments);
  const WorkChoice& choice = arguments.work;
  const Device device = choice.open_device();
  RandomWork work(choice, device);
  if (!arguments.dump.empty()) work.dump(arguments.dump);
  work.run();
  const double cold_start = 1e3 * since_start.seconds();
  for (int i = 0; i < kWarmUp; ++i) work.run();
  if (arguments.on_request) {
    measure_on_request([&] { work.run(); });
    return 0;
  }
  nlohmann::json result = summary(measure([&] { work.run(); }, repetitions(arguments.steps)));
  const double rate = 1e3 * choice.batch / result["median_ms"].get<double>();
  const std::string name = device->describe().name;

  if (arguments.json) {
    result.update({{"mode", choice.mode},
                   {"network", work.model().spec().text},
                   {"device", name},
                   {"batch", choice.batch},
                   {"width", work.batch().width},
                   {"images_per_s", rate},
                   {"cold_start_ms", cold_start}});
    fmt::print("{}\n", result.dump());
    return 0;
  }
  Table table({"median ms", "p10", "p90", "p99", "images/s", "peak MiB", "cold start ms"});
  const auto ms = [&](const char* field) { return fmt::format("{:.2f}", result[field].get<double>()); };
  table.add({ms("median_ms"), ms("p10_ms"), ms("p90_ms"), ms("p99_ms"), fmt::format("{:.1f}", rate),
             fmt::format("{:.0f}", result["peak_rss_mib"].get<double>()), fmt::format("{:.0f}", cold_start)});
  fmt::print("{}, batch {}, {} repetitions, {}\n{}", choice.trains() ? "training step" : "inference",
             choice.batch, result["repetitions"].get<int>(), name, table.text());
  return 0;
}

}  // namespace

std::function<int()> define_bench(Arguments& arguments) {
  auto given = std::make_shared<BenchArguments>();
  given->work.declare(arguments);
  arguments.option("--steps", given->steps, "Repetitions; 0: at least 20, for at least 1.5 s", 0, 1'000'000);
  arguments.flag("--json", given->json, "One JSON object, for programs");
  arguments.flag("--on-request", given->on_request,
                 "Measure for each line `SECONDS LEAST` of the standard input, the least number of "
                 "repetitions last; answer in JSON");
  arguments.flag("--tune", given->tune,
                 "Instead of a network, measure which variant of each kernel is fastest on this device, and "
                 "keep that for every later run");
  arguments.option("--dump", given->dump,
                   "Write weights, input and output to this safetensors file, to compute the same elsewhere");
  arguments.option("--data", given->data,
                   "Instead of the network, measure how fast a training gets its pictures from this data");
  arguments.option("--augment", given->augment, "With --data: as in `train`");
  arguments.examples(
      "  tapeline bench --preset captcha --mode train --batch 64 --threads 2\n"
      "  tapeline bench best.safetensors --batch 1 --json\n"
      "  tapeline bench --preset captcha --data photos --augment strong\n"
      "  tapeline bench --tune --device vulkan\n"
      "\nThe cold start is from the start of the process to the first result, and not among the "
      "repetitions.");
  return [given] { return run(*given); };
}

}  // namespace tapeline
