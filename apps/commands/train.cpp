#include <filesystem>

#include "apps/commands/commands.h"
#include "apps/data_choice.h"
#include "apps/device_options.h"
#include "apps/stop_signal.h"
#include "apps/terminal.h"
#include "models/network/presets.h"
#include "models/training/trainer.h"

namespace tapeline {

namespace {

constexpr std::size_t kShownProblems = 20;

struct TrainArguments {
  TrainOptions options;
  DeviceChoice device;
  DataChoice data;
  std::string preset, validate;
  bool json = false;
};

/// How to put what was given on the command line over what a checkpoint or a preset says.
class Overrides {
 public:
  explicit Overrides(Arguments& arguments) : arguments_(arguments) {}

  template <typename T, typename... Range>
  void option(const std::string& name, TrainOptions& given, T TrainOptions::*field, const std::string& help,
              Range... range) {
    arguments_.option<T>(name, given.*field, help, range...);
    copies_.push_back(
        {name, [field](const TrainOptions& from, TrainOptions& to) { to.*field = from.*field; }});
  }

  bool given(const std::string& name) const { return arguments_.given(name); }
  void apply(const TrainOptions& from, TrainOptions& to) const {
    for (const auto& [name, copy] : copies_)
      if (given(name)) copy(from, to);
  }

 private:
  Arguments arguments_;
  std::vector<std::pair<std::string, std::function<void(const TrainOptions&, TrainOptions&)>>> copies_;
};

using Say = std::function<void(const std::string&)>;

/// What a new training is to do: the preset's settings, and over them what was given.
TrainOptions new_training(const TrainArguments& arguments, const Overrides& overrides, const Say& say) {
  TrainOptions options;
  if (!arguments.preset.empty()) {
    if (overrides.given("--network")) throw UsageError("train: give --preset or --network, not both");
    const Preset& preset = find_preset(arguments.preset);
    options.network = preset.network;
    options.batch = preset.batch;
    options.optimizer = preset.optimizer;
    options.learning_rate = preset.learning_rate;
    options.schedule = preset.schedule;
    options.decay = preset.decay;
    options.clip = preset.clip;
  } else if (!overrides.given("--network")) {
    std::string names;
    for (const Preset& preset : presets()) names += fmt::format("\n  {:14} {}", preset.name, preset.about);
    throw UsageError("train: give a network as --preset or --network; the presets are{}", names);
  }
  overrides.apply(arguments.options, options);
  if (arguments.data.data.empty()) throw UsageError("train: give images as --data");
  DataChoice training = arguments.data, validation;
  if (!arguments.validate.empty()) {
    if (!training.split.empty())
      throw UsageError(
          "train: --split takes the validation out of --data, so --validate cannot be given too");
    validation.data = arguments.validate;
  } else if (!training.split.empty()) {
    validation = {training.data, training.split, Part::validation, 0};
  } else {
    validation = default_validation(training);
    say(training.split.empty()
            ? fmt::format("validating on {}", validation.data)
            : fmt::format("validating on a tenth of the images, chosen by content; --split or "
                          "--validate say it otherwise"));
  }
  options.data = training.text();
  options.validate = validation.text();
  return options;
}

/// Where the checkpoint says how, and what was given may only agree, but for the length.
TrainOptions resumed_training(const TrainArguments& arguments, const Overrides& overrides) {
  TrainOptions options = options_of_checkpoint(arguments.options.output);
  if (!arguments.preset.empty()) options.network = find_preset(arguments.preset).network;
  if (overrides.given("--steps") || overrides.given("--epochs") || overrides.given("--minutes"))
    options.steps = 0, options.epochs = options.minutes = 0;
  overrides.apply(arguments.options, options);
  if (overrides.given("--data") || overrides.given("--split") || overrides.given("--limit")) {
    DataChoice training = DataChoice::parse(options.data);
    if (overrides.given("--data")) training.data = arguments.data.data;
    if (overrides.given("--split")) training.split = arguments.data.split;
    if (overrides.given("--limit")) training.limit = arguments.data.limit;
    options.data = training.text();
  }
  if (overrides.given("--validate")) options.validate = arguments.validate;
  return options;
}

std::string progress_line(const TrainProgress& p) {
  return fmt::format("step {} of {}, loss {:.4f}, {:.0f} images/s, {} left", with_commas(p.step),
                     with_commas(p.steps), p.loss, p.images_per_second, duration(p.seconds_left));
}

std::string evaluation_line(const TrainProgress& p) {
  return fmt::format("step {}, {}: loss {:.4f}, read exactly {}, character error rate {}{}",
                     with_commas(p.step), duration(p.seconds), p.loss, percent(p.evaluation->exact()),
                     percent(p.evaluation->cer()), p.best ? ", the best so far" : "");
}

const char* word_of(TrainResult::Ended ended) {
  switch (ended) {
    case TrainResult::Ended::finished:
      return "finished";
    case TrainResult::Ended::patience:
      return "no more improvement";
    case TrainResult::Ended::stopped:
      return "stopped";
  }
  return "?";
}

void print_result(const TrainResult& result, const TrainOptions& options, bool as_json) {
  const std::string best = (std::filesystem::path(options.output) / "best.safetensors").string();
  if (as_json) {
    nlohmann::json json{{"step", result.step},
                        {"ended", word_of(result.ended)},
                        {"best_step", result.best_step},
                        {"best_exact", result.best_exact},
                        {"best_cer", result.best_cer},
                        {"seconds", result.seconds},
                        {"model", best},
                        {"skipped_steps", result.skipped_steps},
                        {"problems", nlohmann::json::array()}};
    for (const Problem& p : result.problems) json["problems"].push_back({{"name", p.name}, {"why", p.why}});
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print("{} after step {} and {}; the best model, of step {}, reads {} exactly: {}\n",
             word_of(result.ended), with_commas(result.step), duration(result.seconds),
             with_commas(result.best_step), percent(result.best_exact), best);
}

void say_problems(const std::vector<Problem>& problems, const Say& say) {
  if (problems.empty()) return;
  say(fmt::format("{} samples were left out (--strict ends at the first):", count_problems(problems)));
  for (std::size_t i = 0; i < std::min(kShownProblems, problems.size()); ++i)
    say(fmt::format("  {}: {}", problems[i].name, problems[i].why));
  if (problems.size() > kShownProblems) say(fmt::format("  and {} more", problems.size() - kShownProblems));
}

int run(const TrainArguments& arguments, const Overrides& overrides) {
  if (arguments.options.output.empty()) throw UsageError("train: give a folder for the models as --output");
  Progress progress(arguments.json);
  const Say say = [&](const std::string& line) { progress.say(line); };
  TrainOptions options = arguments.options.resume ? resumed_training(arguments, overrides)
                                                  : new_training(arguments, overrides, say);
  options.output = arguments.options.output;
  options.resume = arguments.options.resume;
  options.strict = arguments.options.strict;
  options.skip_bad_steps = arguments.options.skip_bad_steps;
  options.loader_threads = arguments.device.threads;
  const DataChoice training = DataChoice::parse(options.data),
                   validation = DataChoice::parse(options.validate);
  DatasetPtr whole = open_dataset(training.data, options.strict);
  options.training = training.take(whole);
  if (validation.data != training.data) whole = open_dataset(validation.data, options.strict);
  options.validation = validation.take(std::move(whole));

  const StopSignal stop;
  TrainCallbacks callbacks;
  callbacks.stop = &stop.requested();
  callbacks.say = say;
  callbacks.progress = [&](const TrainProgress& p) {
    if (!p.evaluation)
      progress.show(progress_line(p));
    else if (!arguments.json)
      progress.say(evaluation_line(p));
  };
  const TrainResult result = train(options, arguments.device.open(), callbacks);
  progress.clear();
  if (!arguments.json) say_problems(result.problems, say);
  print_result(result, options, arguments.json);
  if (result.ended != TrainResult::Ended::stopped) return 0;
  say(fmt::format("tapeline: to go on: tapeline train --resume --output {}", options.output));
  return kInterrupted;
}

}  // namespace

std::function<int()> define_train(Arguments& arguments) {
  auto given = std::make_shared<TrainArguments>();
  Overrides overrides(arguments);
  TrainOptions& o = given->options;
  arguments.option("--preset", given->preset,
                   "A network and how to train it, by name; `tapeline inspect NAME` shows it");
  overrides.option("--network", o, &TrainOptions::network, "A network in VGSL instead");
  arguments.option("-d,--data", given->data.data, kDataHelp);
  arguments.option("--validate", given->validate, "Images to validate on, likewise");
  arguments.option("--split", given->data.split,
                   "Shares of --data to train and to validate on, such as 0.8:0.2, by content");
  arguments.option<std::int64_t>("--limit", given->data.limit, "Train on the first so many images; 0: all", 0,
                                 INT64_MAX);
  arguments.option("-o,--output", o.output,
                   "Folder for best.safetensors, last.safetensors, log.jsonl and curves.png");
  overrides.option("--steps", o, &TrainOptions::steps, "How long: so many batches,", std::int64_t{0},
                   TrainOptions::kMostSteps);
  overrides.option("--epochs", o, &TrainOptions::epochs, "or times through the data,", 0.0,
                   TrainOptions::kMostEpochs);
  overrides.option("--minutes", o, &TrainOptions::minutes, "or minutes", 0.0, TrainOptions::kMostMinutes);
  overrides.option("--batch", o, &TrainOptions::batch, "Images a step", 1, 65536);
  overrides.option("--seed", o, &TrainOptions::seed, "Of weights, order, augmentation and dropout");
  overrides.option("--optimizer", o, &TrainOptions::optimizer,
                   "sgd, adam, adamw, rmsprop or adadelta, with settings as in sgd:momentum=.9,nesterov");
  overrides.option("--lr", o, &TrainOptions::learning_rate, "Learning rate", 0.0, 1e6);
  overrides.option("--schedule", o, &TrainOptions::schedule,
                   "constant, exponential:rate=.98,every=10000, step:at=30000/60000, cosine or "
                   "onecycle:max=5e-3,warmup=.06; any with warmup=");
  overrides.option("--decay", o, &TrainOptions::decay,
                   "Weight decay by parameter name, such as '*.weight=1e-4'");
  overrides.option("--clip", o, &TrainOptions::clip, "Largest norm of all gradients together; 0: any", 0.0,
                   1e9);
  overrides.option("--augment", o, &TrainOptions::augment, "none, light, strong, or such as strong,rotate=5");
  overrides.option("--evaluate-every", o, &TrainOptions::evaluate_every,
                   "Steps between evaluations and checkpoints", std::int64_t{1}, TrainOptions::kMostSteps);
  overrides.option("--patience", o, &TrainOptions::patience,
                   "End after so many evaluations without a better one; 0: never", 0,
                   TrainOptions::kMostPatience);
  overrides.option("--charset", o, &TrainOptions::charset,
                   "Characters to learn; default: those of the labels");
  arguments.flag("--strict", o.strict,
                 "End at the first sample that cannot be used, instead of leaving it out");
  arguments.option("--skip-bad-steps", o.skip_bad_steps,
                   "Leave out so many steps whose loss is not finite or far too large, before it gives up", 0,
                   1'000'000);
  arguments.flag("--resume", o.resume,
                 "Go on where the training in --output ended, with its settings; a length may be given");
  arguments.flag("--json", given->json, "One JSON object at the end, for programs; no progress");
  given->device.declare(arguments);
  arguments.examples(
      "  tapeline train --preset captcha-small --data synth:expressions?seed=7 --minutes 3 --output "
      "runs/demo\n"
      "  tapeline train --preset captcha --data photos --split 0.8:0.2 --augment light --epochs 100 --output "
      "runs/photos\n"
      "  tapeline train --resume --output runs/photos --epochs 200\n"
      "\nWithout --split and --validate: rendered images are validated on 1,000 of another seed, others on a "
      "tenth of them.\n"
      "Defaults of a preset go before those above. Ctrl-C ends with a checkpoint, from which --resume goes "
      "on.");
  return [given, overrides] { return run(*given, overrides); };
}

}  // namespace tapeline
