// Whether every device computes, and reads, what the CPU does.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/data_choice.h"
#include "apps/device_options.h"
#include "apps/network_choice.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "models/recognizer/verify.h"

namespace tapeline {

namespace {

constexpr const char* kExpected = "cpu";
constexpr const char* kRendered = "synth:expressions?seed=99";
constexpr std::size_t kShownTexts = 10;

struct VerifyArguments {
  NetworkChoice network;
  DataChoice data{.data = "", .split = "", .part = Part::validation, .limit = 64};
  std::string devices = "all";
  std::string precision = "fp32";
  double tolerance = 0;
  int batch = 16, threads = 0;
  bool json = false;
};

/// A device that was asked for, and how it did; `failure` where it could do nothing.
struct Verdict {
  DeviceInfo device;
  Precision precision = Precision::fp32;
  double tolerance = 0;
  std::string failure = {};
  Verification verification = {};
  const LayerDifference* wrong = nullptr;

  bool good() const { return failure.empty() && !wrong && verification.texts.empty(); }
};

/// Sums in another order are off by some 1e-6 of the largest value. A factor that is rounded to n bits is off
/// by 2^-(n + 1) at most, and layers add up.
double tolerance_of(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return 1e-4;
    case Precision::bf16:
      return 5e-2;
    default:
      return 1e-2;
  }
}

/// What was named, or all but the CPU itself, with which they are compared, and the plain loops, which take
/// long.
std::vector<DeviceInfo> devices_to_verify(const std::string& names, int threads) {
  std::vector<DeviceInfo> devices;
  if (names == "all") {
    for (const DeviceEntry& entry : list_devices({.threads = threads}))
      if (entry.usable && entry.info.id != kExpected && entry.info.id != "reference")
        devices.push_back(entry.info);
    if (devices.empty())
      throw Error(
          "verify: no device but the CPU can be used here; `tapeline devices` says why, and --devices names "
          "one");
    return devices;
  }
  for (std::size_t begin = 0; begin <= names.size();) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    if (end == begin)
      throw UsageError("verify: --devices takes names with commas between, such as cpu,vulkan:0");
    devices.emplace_back().id = names.substr(begin, end - begin);
    begin = end + 1;
  }
  return devices;
}

/// What the model says that it was validated on, if anything.
std::optional<DataChoice> validated_on(const Model& model) {
  const auto options = model.training.find("options");
  if (options == model.training.end()) return std::nullopt;
  const auto validate = options->find("validate");
  if (validate == options->end() || !validate->is_string()) return std::nullopt;
  return DataChoice::parse(validate->get<std::string>());
}

/// What --data names; otherwise the rendered images that the model was validated on, or some others. A model
/// may come from anyone: it does not say which files are opened.
DataChoice data_for(const VerifyArguments& arguments, const Model& model, Progress& progress) {
  DataChoice choice = arguments.data;
  if (!choice.data.empty()) return choice;
  choice = validated_on(model).value_or(DataChoice::parse(kRendered));
  if (!choice.rendered()) {
    progress.say(fmt::format(
        "comparing on rendered expressions; --data would take pictures, such as those that the model was "
        "validated on: {}",
        choice.text()));
    choice = DataChoice::parse(kRendered);
  }
  choice.limit = choice.limit > 0 ? std::min(choice.limit, arguments.data.limit) : arguments.data.limit;
  return choice;
}

nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(fmt::format("{}", value));
}

nlohmann::json to_json(const LayerDifference& d) {
  return {{"layer", d.layer},
          {"kernel", d.kernel},
          {"shape", d.shape.text()},
          {"element", d.element},
          {"expected", number(d.expected)},
          {"found", number(d.found)},
          {"largest", number(d.largest)},
          {"difference", number(d.difference)},
          {"share", number(d.share())}};
}

nlohmann::json to_json(const Verdict& verdict) {
  nlohmann::json json{{"device", verdict.device.id},
                      {"name", verdict.device.name},
                      {"precision", name_of(verdict.precision)},
                      {"tolerance", verdict.tolerance},
                      {"good", verdict.good()},
                      {"failure", verdict.failure},
                      {"images", verdict.verification.images},
                      {"first_beyond", verdict.wrong ? nlohmann::json(verdict.wrong->layer) : nullptr},
                      {"layers", nlohmann::json::array()},
                      {"other_texts", nlohmann::json::array()}};
  for (const LayerDifference& layer : verdict.verification.layers) json["layers"].push_back(to_json(layer));
  for (const TextDifference& text : verdict.verification.texts)
    json["other_texts"].push_back({{"image", text.name}, {"expected", text.expected}, {"found", text.found}});
  return json;
}

std::string layer_line(const LayerDifference& d) {
  return fmt::format(
      "layer {} (kernel {}, output {}): element {} is {:.7g} on the CPU and {:.7g} here, off by {:.2g} of "
      "the largest value {:.3g}",
      d.layer, d.kernel, d.shape.text(), d.element, d.expected, d.found, d.share(), d.largest);
}

void print(const Verdict& verdict) {
  const Verification& v = verdict.verification;
  const double tolerance = verdict.tolerance;
  if (!verdict.failure.empty()) {
    fmt::print("{}: failed: {}\n\n", verdict.device.id, verdict.failure);
    return;
  }
  fmt::print("{} in {}, {}: {} images, compared with the CPU\n", verdict.device.id,
             name_of(verdict.precision), verdict.device.name, v.images);
  Table table({"layer", "output", "largest value", "largest difference", "share"});
  for (const LayerDifference& d : v.layers)
    table.add({d.layer, d.shape.text(), fmt::format("{:.3g}", d.largest), fmt::format("{:.2e}", d.difference),
               fmt::format("{:.2e}{}", d.share(), d.share() <= tolerance ? "" : " *")});
  fmt::print("{}", table.text());
  if (verdict.wrong)
    fmt::print("Out of tolerance ({:g}) first: {}\n", tolerance, layer_line(*verdict.wrong));
  else
    fmt::print("Every layer is within the tolerance, {:g} of its largest value.\n", tolerance);
  if (v.texts.empty()) {
    fmt::print("All {} texts are the same.\n\n", v.images);
    return;
  }
  fmt::print("{} of {} texts differ:\n", v.texts.size(), v.images);
  for (std::size_t i = 0; i < std::min(kShownTexts, v.texts.size()); ++i)
    fmt::print("  {}: \"{}\" on the CPU, \"{}\" here\n", v.texts[i].name, v.texts[i].expected,
               v.texts[i].found);
  fmt::print("\n");
}

int run(const VerifyArguments& arguments) {
  arguments.network.check();
  const std::vector<DeviceInfo> devices = devices_to_verify(arguments.devices, arguments.threads);
  const Model expected = arguments.network.open(open_device(kExpected, {.threads = arguments.threads}));
  Progress progress(arguments.json);
  const DataChoice choice = data_for(arguments, expected, progress);
  const DatasetPtr data = choice.open();

  const auto judge = [&](const DeviceInfo& info, Precision precision) {
    Verdict verdict{.device = info,
                    .precision = precision,
                    .tolerance = arguments.tolerance > 0 ? arguments.tolerance : tolerance_of(precision)};
    try {
      const Device device = open_device(info.id, {.threads = arguments.threads, .precision = precision});
      verdict.device = device->describe();
      VerifyOptions options{.batch = arguments.batch, .threads = arguments.threads};
      options.progress = [&](int done, int all) {
        progress.show(fmt::format("{}: {} of {} images", info.id, with_commas(done), with_commas(all)));
      };
      verdict.verification = verify(expected, arguments.network.open(device), data, options);
    } catch (const Error& error) {
      verdict.failure = error.what();
    }
    return verdict;
  };

  const Precision precision = parse_precision(arguments.precision);
  std::vector<Verdict> verdicts;
  for (const DeviceInfo& info : devices)
    for (const Precision p : {precision, Precision::fp32}) {
      verdicts.push_back(judge(info, p));
      Verdict& verdict = verdicts.back();
      verdict.wrong = verdict.verification.first_beyond(verdict.tolerance);
      progress.clear();
      if (!arguments.json) print(verdict);
      if (p == Precision::fp32 || !verdict.failure.empty() || verdict.good()) break;
      if (!arguments.json) fmt::print("{} is off in {}; in fp32:\n\n", verdict.device.id, name_of(p));
    }
  const bool good = std::all_of(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.good(); });
  if (arguments.json) {
    nlohmann::json json{{"good", good},
                        {"data", choice.text()},
                        {"tolerance", verdicts.front().tolerance},
                        {"devices", nlohmann::json::array()}};
    for (const Verdict& verdict : verdicts) json["devices"].push_back(to_json(verdict));
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return good ? 0 : 1;
}

}  // namespace

std::function<int()> define_verify(Arguments& arguments) {
  auto given = std::make_shared<VerifyArguments>();
  given->network.declare(arguments);
  arguments.option("--devices", given->devices,
                   "What to compare with the CPU: names with commas between, such as vulkan:0,cuda; all: "
                   "every device that "
                   "can be used, but the plain loops of `reference`");
  arguments.option(
      "-d,--data", given->data.data,
      std::string("Where it is not given: the rendered images that the model was validated on, or others. ") +
          kDataHelp);
  arguments.option<std::int64_t>("--limit", given->data.limit, "Only the first so many images; 0: all", 0,
                                 INT64_MAX);
  arguments.option(
      "--tolerance", given->tolerance,
      "How far a value may be off, as a share of the largest value of its layer; 0: 1e-4 in fp32, "
      "5e-2 in bf16, else 1e-2",
      0.0, 1.0);
  arguments.choice("--precision", given->precision,
                   "What the devices round factors of matrix products to; the CPU computes in fp32. One that "
                   "is off then goes on in fp32",
                   {"fp32", "tf32", "bf16", "fp16"});
  arguments.option("--batch", given->batch, "Pictures that go through the network together", 1, 4096);
  arguments.option("--threads", given->threads, "Threads of the CPU; 0: as many as cores", 0, 1024);
  arguments.flag("--json", given->json, "One JSON object, for programs; no progress");
  arguments.examples(
      "  tapeline verify best.safetensors --devices all\n"
      "  tapeline verify best.safetensors --devices vulkan:0,reference --data photos --json\n"
      "  tapeline verify --preset crnn-body --devices vulkan\n"
      "\nExit status 1 where a layer is out of tolerance, a text differs or a device fails.");
  return [given] { return run(*given); };
}

}  // namespace tapeline
