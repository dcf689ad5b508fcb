#include <unordered_set>

#include "apps/commands/commands.h"
#include "apps/data_choice.h"
#include "apps/device_options.h"
#include "apps/fp32_fallback.h"
#include "apps/sheet.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "models/data/cached_dataset.h"
#include "models/recognizer/evaluate.h"

namespace tapeline {

namespace {

constexpr std::size_t kShown = 10, kShownProblems = 20;

struct EvaluateArguments {
  DeviceChoice device;
  std::string model;
  DataChoice data{.data = "", .split = "", .part = Part::validation, .limit = 0};
  Sheet sheet;
  int batch = 64;
  bool strict = false, json = false;
};

void print_problems(const std::vector<Problem>& problems) {
  for (std::size_t i = 0; i < std::min(kShownProblems, problems.size()); ++i)
    fmt::print(stderr, "{}\n",
               printable(fmt::format("tapeline: left out {}: {}", problems[i].name, problems[i].why)));
  if (problems.size() > kShownProblems)
    fmt::print(stderr, "tapeline: and {} more\n", problems.size() - kShownProblems);
}

std::string quoted(const std::string& text) { return text.empty() ? "nothing" : "\"" + text + "\""; }

void print_evaluation(const Evaluation& e) {
  Table table({"", ""});
  table.add({"images", with_commas(e.images)});
  table.add({"read exactly", percent(e.exact())});
  table.add({"character error rate", percent(e.cer())});
  table.add({"normalised edit distance", percent(e.normalized_distance)});
  table.add({"mean edit distance", fmt::format("{:.3f}", e.mean_distance)});
  table.add({"confidence of right answers", fmt::format("{:.3f}", e.confidence_right)});
  table.add({"confidence of wrong answers", fmt::format("{:.3f}", e.confidence_wrong)});
  table.add({"calibration error", percent(e.calibration_error)});
  if (e.not_finite > 0) table.add({"outputs that are not finite", with_commas(e.not_finite)});
  if (!e.problems.empty()) table.add({"left out", count_problems(e.problems)});
  fmt::print("{}", table.text().substr(1));  // without its empty header
  if (e.confusions.empty()) return;

  fmt::print("\nThe most frequent confusions\n");
  Table confusions({"is", "read as", "times"});
  for (std::size_t i = 0; i < std::min(kShown, e.confusions.size()); ++i)
    confusions.add(
        {quoted(e.confusions[i].truth), quoted(e.confusions[i].read), with_commas(e.confusions[i].count)});
  fmt::print("{}\nThe worst mistakes\n", confusions.text());
  Table mistakes({"image", "is", "read as", "confidence"});
  for (std::size_t i = 0; i < std::min(kShown, e.mistakes.size()); ++i) {
    const Mistake& m = e.mistakes[i];
    mistakes.add({m.name, quoted(m.truth), quoted(m.read), fmt::format("{:.3f}", m.confidence)});
  }
  fmt::print("{}", mistakes.text());
}

/// The mistakes, the worst first, then the others in their order.
void write_sheet(Sheet& sheet, const Evaluation& e, const Dataset& data, const std::string& model) {
  const auto add = [&](std::size_t index, const std::string& caption, bool good) {
    if (sheet.wanted()) sheet.add(data.load(index, 3).image, caption, good);
  };
  std::unordered_set<std::size_t> wrong;
  for (const Mistake& m : e.mistakes) {
    wrong.insert(m.index);
    add(m.index, fmt::format("{}, is {}  {:.2f}", m.read, m.truth, m.confidence), false);
  }
  for (std::size_t i = 0; i < e.readings.size(); ++i)
    if (!wrong.contains(e.indices[i]))
      add(e.indices[i], fmt::format("{}  {:.2f}", e.readings[i].text, e.readings[i].confidence), true);
  sheet.write("What " + model + " reads",
              fmt::format("{} of {} images read exactly ({}), character error rate {}; mistakes come first",
                          e.right, e.images, percent(e.exact()), percent(e.cer())));
}

int run(EvaluateArguments& arguments) {
  if (arguments.data.data.empty()) throw UsageError("evaluate: give the images as --data");
  const Model model = load_model(arguments.model, arguments.device.open());
  const DatasetPtr data = keep_decoded(arguments.data.open(arguments.strict));
  Recognizer recognizer(model);
  Progress progress(arguments.json);
  fall_back_to_fp32(recognizer, arguments.model, arguments.device, progress);
  const Stopwatch watch;
  EvaluateOptions options;
  options.batch = arguments.batch;
  options.threads = arguments.device.threads;
  options.strict = arguments.strict;
  options.progress = [&](int done, int all) {
    progress.show(fmt::format("{} of {} images, {:.0f} images/s", with_commas(done), with_commas(all),
                              done / watch.seconds()));
  };
  const Evaluation evaluation = evaluate(recognizer, data, options);
  const double rate = evaluation.images / watch.seconds();
  progress.clear();
  print_problems(evaluation.problems);
  write_sheet(arguments.sheet, evaluation, *data, arguments.model);
  if (arguments.json) {
    nlohmann::json json = to_json(evaluation);
    json["model"] = arguments.model;
    json["data"] = arguments.data.text();
    json["images_per_s"] = rate;
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    print_evaluation(evaluation);
  }
  return 0;
}

}  // namespace

std::function<int()> define_evaluate(Arguments& arguments) {
  auto given = std::make_shared<EvaluateArguments>();
  arguments.positional("MODEL", given->model, "A model file: best.safetensors of a training");
  arguments.option("-d,--data", given->data.data, kDataHelp);
  arguments.option("--split", given->data.split,
                   "Of the images, only the second part of this split, such as 0.8:0.2, by content");
  arguments.option<std::int64_t>("--limit", given->data.limit, "Only the first so many; 0: all", 0,
                                 INT64_MAX);
  arguments.option("--html", given->sheet.html,
                   "Write a page with the pictures, mistakes first (up to 1,000)");
  arguments.option("--png", given->sheet.png, "The same as one picture (up to 200)");
  arguments.option("--batch", given->batch, "Pictures that go through the network together", 1, 4096);
  arguments.flag("--strict", given->strict, "End at the first image that cannot be used");
  arguments.flag("--json", given->json, "One JSON object, for programs; no progress");
  given->device.declare(arguments);
  arguments.examples(
      "  tapeline evaluate best.safetensors --data captchas --html sheet.html\n"
      "  tapeline evaluate best.safetensors --data 'synth:expressions?seed=99&count=2000' --json\n"
      "  tapeline evaluate best.safetensors --data photos.tar#-400:");
  return [given] { return run(*given); };
}

}  // namespace tapeline
