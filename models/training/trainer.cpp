#include "models/training/trainer.h"

#include <chrono>
#include <cmath>
#include <filesystem>

#include "engine/error.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "models/data/cached_dataset.h"
#include "models/data/loader.h"
#include "models/training/train_log.h"
#include "models/training/train_step.h"

namespace tapeline {

namespace {

namespace fs = std::filesystem;

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// What a checkpoint remembers of a training besides the tensors.
struct TrainState {
  std::int64_t step = 0;  // done
  double best_exact = -1, best_cer = 1;
  std::int64_t best_step = 0;
  int stale = 0;  // evaluations since the best

  bool improve(const Evaluation& e) {
    const bool better = e.exact() > best_exact || (e.exact() == best_exact && e.cer() < best_cer);
    stale = better ? 0 : stale + 1;
    if (better) best_exact = e.exact(), best_cer = e.cer(), best_step = step;
    return better;
  }
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainState, step, best_exact, best_cer, best_step, stale)

class Trainer {
 public:
  Trainer(const TrainOptions& options, const Device& device, const TrainCallbacks& callbacks)
      : options_(options),
        callbacks_(callbacks),
        schedule_(parse_schedule(options.schedule, options.learning_rate)) {
    check_options();
    prepare_folder();
    if (options_.resume)
      resume(device);
    else
      begin(device);
    optimizer_.emplace(model_.network->state().parameters, parse_optimizer(options_.optimizer),
                       parse_decay_rules(options_.decay), static_cast<float>(options_.clip));
    State moments;
    optimizer_->collect("", moments);
    moments_ = moments.buffers;
    if (options_.resume) load_extra(path("last.safetensors"), moments_);
    step_.emplace(model_, *optimizer_, options_.seed);
    recognizer_.emplace(model_);
  }

  TrainResult run() {
    open_loader();
    TrainLog log(options_.output, options_.resume, state_.step);
    TrainResult result;
    result.problems = problems_;
    double loss_sum = 0;
    std::int64_t loss_count = 0;
    double last_report = 0;
    while (state_.step < planned_steps()) {
      const TrainStep::Result step = one_step();
      loss_sum += step.loss;
      ++loss_count;
      const bool last = state_.step >= planned_steps();
      const bool stopped = callbacks_.stop && callbacks_.stop->load();
      const bool evaluates = state_.step % options_.evaluate_every == 0 || (last && !stopped);
      const double now = watch_.seconds();
      if (!evaluates && !stopped && now - last_report < 1) continue;

      TrainProgress progress = progress_of(loss_sum / static_cast<double>(loss_count), step.gradient_norm);
      loss_sum = 0;
      loss_count = 0;
      std::optional<Evaluation> evaluation;
      if (evaluates && options_.validation) {
        evaluation =
            evaluate(*recognizer_, validation_, {options_.batch, options_.loader_threads, false, {}});
        progress.best = state_.improve(*evaluation);
        progress.evaluation = &*evaluation;
        model_.metrics = {{"step", state_.step},
                          {"images", evaluation->images},
                          {"exact", evaluation->exact()},
                          {"cer", evaluation->cer()}};
      }
      log.add(to_line(progress));
      if (evaluates || stopped) {
        if (progress.best || !options_.validation) save("best.safetensors", {});
        save("last.safetensors", moments_);
        log.draw();
      }
      if (callbacks_.progress) callbacks_.progress(progress);
      last_report = watch_.seconds();
      if (stopped) {
        result.ended = TrainResult::Ended::stopped;
        break;
      }
      if (options_.patience > 0 && state_.stale >= options_.patience) {
        result.ended = TrainResult::Ended::patience;
        break;
      }
    }
    result.step = state_.step;
    result.best_exact = std::max(0.0, state_.best_exact);
    result.best_cer = state_.best_cer;
    result.best_step = state_.best_step;
    result.seconds = watch_.seconds();
    return result;
  }

 private:
  std::string path(const char* name) const { return (fs::path(options_.output) / name).string(); }
  void say(const std::string& line) const {
    if (callbacks_.say) callbacks_.say(line);
  }

  void check_options() const {
    const int lengths = (options_.steps > 0) + (options_.epochs > 0) + (options_.minutes > 0);
    if (lengths != 1) throw Error("train: give one of --steps, --epochs and --minutes");
    if (!options_.training) throw Error("train: no data given");
    if (options_.epochs > 0 && options_.training->endless())
      throw Error("train: a rendered set has no epochs; give --steps or --minutes, or the set a count");
    if (options_.batch < 1 || options_.batch > 65536)
      throw Error("train: a batch of {}; between 1 and 65536 are possible", options_.batch);
    if (options_.evaluate_every < 1)
      throw Error("train: evaluation every {} steps; at least 1", options_.evaluate_every);
    if (options_.output.empty()) throw Error("train: no output folder given");
  }

  void prepare_folder() const {
    std::error_code error;
    fs::create_directories(options_.output, error);
    if (error || !fs::is_directory(options_.output))
      throw Error("train: cannot make the folder {}: {}", options_.output,
                  error ? error.message() : "it is a file; give another --output");
    if (!options_.resume && fs::exists(path("last.safetensors")))
      throw Error("train: {} holds a training already; go on with --resume, or give another --output",
                  options_.output);
  }

  void begin(const Device& device) {
    Charset charset(options_.charset);
    if (charset.empty()) charset = Charset::from_labels(collect_texts(*options_.training));
    model_ = make_model(options_.network, charset, device, options_.seed);
    model_.training["options"] = to_json(options_);
  }

  void resume(const Device& device) {
    model_ = load_model(path("last.safetensors"), device);
    if (!model_.training.contains("state") || !model_.training.contains("options"))
      throw Error("{}: holds no training to go on with", path("last.safetensors"));
    const nlohmann::json now = to_json(options_);
    for (const auto& [name, value] : now.items())
      if (const nlohmann::json& before = model_.training["options"][name]; before != value)
        throw Error("train --resume: {} is {} now and was {} in {}; a training goes on as it began", name,
                    value.dump(), before.dump(), path("last.safetensors"));
    try {
      state_ = model_.training["state"].get<TrainState>();
    } catch (const nlohmann::json::exception& error) {
      throw Error("{}: its training state is damaged: {}", path("last.safetensors"), error.what());
    }
    say(fmt::format("going on after step {}", state_.step));
  }

  void open_loader() {
    training_ = keep_decoded(options_.training);
    if (options_.validation) validation_ = keep_decoded(options_.validation);
    LoaderOptions loading;
    loading.labels = LabelRules{model_.charset, [this](int width) { return model_.frames(width); }};
    DataReport report = check_dataset(*training_, model_.preprocess, loading.labels,
                                      {options_.strict, options_.loader_threads});
    problems_ = report.problems;
    loading.order.batch_size = options_.batch;
    loading.order.seed = options_.seed;
    loading.order.group_widths = model_.network->any_width();
    loading.preprocess = model_.preprocess;
    loading.augment = parse_augment(options_.augment);
    loading.width_multiple = recognizer_->width_multiple();
    if (!model_.network->any_width()) loading.width_multiple = 1;
    loading.start = static_cast<std::size_t>(state_.step);
    loading.threads = options_.loader_threads;
    loader_.emplace(training_, std::move(report), loading);
    first_step_ = state_.step;
    watch_ = Stopwatch();
  }

  /// Steps in all; under a time limit an estimate, which becomes exact at its end.
  std::int64_t planned_steps() const {
    if (options_.steps > 0) return options_.steps;
    if (options_.epochs > 0)
      return std::llround(std::ceil(options_.epochs * static_cast<double>(loader_->batches_per_epoch())));
    const double elapsed = watch_.seconds(), limit = options_.minutes * 60;
    if (elapsed >= limit) return state_.step;
    constexpr double kWarm = 1;  // the first steps record programs and say little of the rest
    const auto done = static_cast<double>(state_.step - first_step_);
    if (elapsed < kWarm || done < 3) return state_.step + 10'000;
    return state_.step + 1 + std::llround(done * (limit - elapsed) / elapsed);
  }

  TrainStep::Result one_step() {
    const std::optional<Batch> batch = loader_->next();
    learning_rate_ = schedule_.at(state_.step, planned_steps());
    TrainStep::Result result = step_->run(*batch, state_.step, learning_rate_);
    if (!std::isfinite(result.loss)) fail_at(*batch, result);
    ++state_.step;
    return result;
  }

  [[noreturn]] void fail_at(const Batch& batch, const TrainStep::Result& result) const {
    std::string names;
    int count = 0;
    for (std::size_t n = 0; n < result.losses.size(); ++n)
      if (!std::isfinite(result.losses[n]) && ++count <= 8)
        names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", batch.names[n], result.losses[n]);
    throw Error(
        "train: the loss of step {} is {}: {}{}; the last checkpoint is kept. A lower --lr or --clip 1 may "
        "help",
        state_.step, result.loss, names, count > 8 ? fmt::format(" and {} more", count - 8) : "");
  }

  TrainProgress progress_of(double loss, double gradient_norm) const {
    TrainProgress p;
    p.step = state_.step;
    p.steps = planned_steps();
    p.loss = loss;
    p.gradient_norm = gradient_norm;
    p.learning_rate = learning_rate_;
    p.seconds = watch_.seconds();
    const auto done = static_cast<double>(state_.step - first_step_);
    p.images_per_second = done * options_.batch / p.seconds;
    p.seconds_left = options_.minutes > 0 ? std::max(0.0, options_.minutes * 60 - p.seconds)
                                          : p.seconds / done * static_cast<double>(p.steps - p.step);
    return p;
  }

  nlohmann::json to_line(const TrainProgress& p) const {
    nlohmann::json line{{"step", p.step},       {"images", p.step * options_.batch},
                        {"loss", p.loss},       {"learning_rate", p.learning_rate},
                        {"seconds", p.seconds}, {"images_per_s", p.images_per_second}};
    if (options_.clip > 0) line["gradient_norm"] = p.gradient_norm;
    if (p.evaluation) {
      line["exact"] = p.evaluation->exact();
      line["cer"] = p.evaluation->cer();
    }
    return line;
  }

  void save(const char* name, const ExtraTensors& extra) {
    model_.training["state"] = state_;
    model_.training["length"] = {{"steps", options_.steps},
                                 {"epochs", options_.epochs},
                                 {"minutes", options_.minutes},
                                 {"evaluate_every", options_.evaluate_every},
                                 {"patience", options_.patience}};
    save_model(path(name), model_, extra);
  }

  TrainOptions options_;
  TrainCallbacks callbacks_;
  Schedule schedule_;
  Model model_;
  std::optional<Optimizer> optimizer_;
  ExtraTensors moments_;
  std::optional<TrainStep> step_;
  std::optional<Recognizer> recognizer_;
  DatasetPtr training_, validation_;
  std::optional<Loader> loader_;
  std::vector<Problem> problems_;
  TrainState state_;
  std::int64_t first_step_ = 0;
  double learning_rate_ = 0;
  Stopwatch watch_;
};

}  // namespace

TrainResult train(const TrainOptions& options, const Device& device, const TrainCallbacks& callbacks) {
  return Trainer(options, device, callbacks).run();
}

}  // namespace tapeline
