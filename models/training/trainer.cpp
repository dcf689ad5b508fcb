#include "models/training/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "engine/error.h"
#include "engine/io/folder_lock.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "models/data/cached_dataset.h"
#include "models/data/loader.h"
#include "models/training/loader_options.h"
#include "models/training/snapshot.h"
#include "models/training/train_log.h"
#include "models/training/train_state.h"
#include "models/training/train_step.h"

namespace tapeline {

namespace {

namespace fs = std::filesystem;

constexpr int kNamed = 8;  // samples that a message names

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class Trainer {
 public:
  Trainer(const TrainOptions& options, const Device& device, const TrainCallbacks& callbacks)
      : options_(options),
        callbacks_(callbacks),
        schedule_(parse_schedule(options.schedule, options.learning_rate)) {
    check_options();
    prepare_folder();
    lock_.emplace(options_.output);
    if (options_.resume)
      resume(device);
    else
      begin(device);
    optimizer_.emplace(model_.network->state().parameters, parse_optimizer(options_.optimizer),
                       parse_decay_rules(options_.decay), static_cast<float>(options_.clip),
                       device->precision() == Precision::fp16);
    State moments;
    optimizer_->collect("", moments);
    moments_ = moments.buffers;
    if (options_.resume) load_extra(path("last.safetensors"), moments_);
    const State& state = model_.network->state();
    for (const auto& some : {state.parameters, state.buffers, moments_})
      tensors_.insert(tensors_.end(), some.begin(), some.end());
    step_.emplace(model_, *optimizer_, options_.seed);
    recognizer_.emplace(model_);
    keep_good();
  }

  TrainResult run() {
    open_loader();
    TrainLog log(options_.output, options_.resume, state_.step);
    TrainResult result;
    result.problems = problems_;
    double loss_sum = 0;
    std::int64_t loss_count = 0;
    double last_report = 0;
    while (state_.step < planned_steps() || good_step_ < state_.step) {
      std::optional<TrainStep::Result> step;
      if (state_.step < planned_steps()) step = one_step();
      if (step) loss_sum += step->loss, ++loss_count;
      const bool last = state_.step >= planned_steps();
      const bool stopped = callbacks_.stop && callbacks_.stop->load();
      const bool evaluates = state_.step % options_.evaluate_every == 0 || (last && !stopped);
      const double now = watch_.seconds();
      if (!evaluates && !stopped && now - last_report < 1) continue;

      if (evaluates || stopped)
        if (const std::string tensor = first_not_finite(tensors_); !tensor.empty()) {
          recover(fmt::format("step {} left {} with values that are not finite", state_.step, tensor));
          continue;
        }

      TrainProgress progress =
          progress_of(loss_sum / static_cast<double>(std::max<std::int64_t>(loss_count, 1)),
                      step ? step->gradient_norm : 0);
      loss_sum = 0;
      loss_count = 0;
      std::optional<Evaluation> evaluation;
      if (evaluates && options_.validation) {
        recognizer_->refresh();
        evaluation =
            evaluate(*recognizer_, validation_, {options_.batch, options_.loader_threads, false, {}});
        progress.best = state_.improve(*evaluation);
        progress.evaluation = &*evaluation;
        if (evaluation->not_finite > 0)
          say(fmt::format("after step {} the output for {} of {} validation pictures is not finite. {}",
                          state_.step, evaluation->not_finite, evaluation->images, way_out_of_fp16()));
        model_.metrics = {{"step", state_.step},
                          {"images", evaluation->images},
                          {"exact", evaluation->exact()},
                          {"cer", evaluation->cer()}};
      }
      log.add(to_line(progress));
      if (evaluates || stopped) {
        if (progress.best || !options_.validation) save("best.safetensors", {});
        save("last.safetensors", moments_);
        keep_good();
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
    result.skipped_steps = state_.skipped_steps;
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
      throw Error("train: cannot make the folder {}: {}; give another --output", options_.output,
                  fs::exists(options_.output) ? "it is a file" : error.message());
    if (!options_.resume && fs::exists(path("last.safetensors")))
      throw Error("train: {} holds a training already; go on with --resume, or give another --output",
                  options_.output);
  }

  void begin(const Device& device) {
    Charset charset(options_.charset);
    if (charset.empty()) charset = collect_charset(*options_.training);
    model_ = make_model(options_.network, charset, device, options_.seed);
    model_.training["options"] = to_json(options_);
  }

  void resume(const Device& device) {
    model_ = load_model(path("last.safetensors"), device);
    const auto options = model_.training.find("options");
    if (options == model_.training.end() || !options->is_object() || !model_.training.contains("state"))
      throw Error("{}: holds no training to go on with", path("last.safetensors"));
    const nlohmann::json now = to_json(options_);
    for (const auto& [name, value] : now.items())
      if (const nlohmann::json before = options->value(name, nlohmann::json()); before != value)
        throw Error("train --resume: {} is {} now and was {} in {}; a training goes on as it began", name,
                    value.dump(), before.dump(), path("last.safetensors"));
    try {
      state_ = TrainState::read(model_.training);
    } catch (const Error& error) {
      throw Error("{}: its training state is damaged: {}", path("last.safetensors"), error.what());
    }
    say(fmt::format("going on after step {}", state_.step));
  }

  void open_loader() {
    training_ = keep_decoded(options_.training);
    if (options_.validation) validation_ = keep_decoded(options_.validation);
    loading_ =
        loader_options(model_, options_.batch, options_.augment, options_.seed, options_.loader_threads);
    report_ = check_dataset(*training_, model_.preprocess, loading_.labels,
                            {options_.strict, options_.loader_threads});
    problems_ = report_.problems;
    start_loader();
    first_step_ = state_.step;
    watch_ = Stopwatch();
  }

  void start_loader() {
    loading_.start = static_cast<std::size_t>(state_.step);
    loader_.reset();
    loader_.emplace(training_, report_, loading_);
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

  /// Nothing where the step was left out, now or before.
  std::optional<TrainStep::Result> one_step() {
    const std::optional<Batch> batch = loader_->next();
    if (state_.is_skipped(state_.step)) {
      next_step({});
      return std::nullopt;
    }
    rates_now_ = {schedule_.at(state_.step, planned_steps()), state_.loss_scale.value};
    TrainStep::Result result = step_->run(*batch, state_.step, rates_now_);
    if (scales_loss() && std::isfinite(result.loss)) {
      const bool finite = std::isfinite(result.gradient_norm);
      if (state_.loss_scale.adapt(finite) && !finite)
        result.gradient_norm = 0;  // left out; the next scale is lower
    }
    if (is_bad(result, *batch)) {
      recover(bad_loss(result, *batch));
      return std::nullopt;
    }
    next_step(rates_now_);
    return result;
  }

  bool scales_loss() const { return optimizer_->loss_scale().defined(); }

  const char* way_out_of_fp16() const {
    return scales_loss() ? "In fp16 what is beyond 65504 is infinite: --resume --precision fp32 goes on "
                           "without that limit. "
                         : "";
  }

  void next_step(const TrainStep::Rates& rates) {
    rates_.push_back(rates);
    ++state_.step;
  }
  const TrainStep::Rates& rates_of(std::int64_t step) const {
    return rates_[static_cast<std::size_t>(step - good_step_)];
  }

  /// CTC asks a network that guesses for about the logarithm of the classes, in each frame.
  bool is_bad(const TrainStep::Result& result, const Batch& batch) const {
    constexpr double kFarTooMuch = 1000;
    const double guess = model_.frames(batch.width) * std::log(model_.network->classes());
    return !std::isfinite(result.loss) || !std::isfinite(result.gradient_norm) ||
           result.loss > kFarTooMuch * std::max(guess, 1.0);
  }

  std::string bad_loss(const TrainStep::Result& result, const Batch& batch) const {
    if (std::isfinite(result.loss) && !std::isfinite(result.gradient_norm))
      return fmt::format("the gradient of step {} is {}", state_.step + 1, result.gradient_norm);
    if (std::isfinite(result.loss))
      return fmt::format("the loss of step {} is {:.3g}, over 1,000 times that of a guess", state_.step + 1,
                         result.loss);
    std::string names;
    int count = 0;
    for (std::size_t n = 0; n < result.losses.size(); ++n)
      if (!std::isfinite(result.losses[n]) && ++count <= kNamed)
        names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", batch.names[n], result.losses[n]);
    if (count > kNamed) names += fmt::format(" and {} more", count - kNamed);
    return fmt::format("the loss of step {} is {}: {}", state_.step + 1, result.loss, names);
  }

  /// From here on a training that goes wrong can be repeated.
  void keep_good() {
    good_ = Snapshot(tensors_);
    good_step_ = state_.step;
    rates_.clear();
  }

  /// The weights and moments as they were before this step, bit for bit.
  void go_back_to(std::int64_t step) {
    good_.restore();
    state_.step = good_step_;
    start_loader();
    for (; state_.step < step; ++state_.step) {
      const std::optional<Batch> batch = loader_->next();
      if (!state_.is_skipped(state_.step)) step_->run(*batch, state_.step, rates_of(state_.step));
    }
  }

  /// Goes on without the step that is to blame, or throws.
  void recover(const std::string& what) {
    const std::int64_t bad = state_.step;
    std::int64_t blamed = bad;
    std::int64_t before = bad - 1;
    while (before >= good_step_ && state_.is_skipped(before)) --before;
    if (before >= good_step_) {
      go_back_to(before);
      const Batch batch = *loader_->next();
      step_->run(batch, before, rates_of(before));
      if (is_bad(step_->run(batch, before, rates_of(before)), batch)) blamed = before;
    }
    go_back_to(bad);
    Batch batch = *loader_->next();
    const std::string layer = step_->first_layer_not_finite(batch, bad);
    std::string cause = layer.empty()
                            ? "the outputs of all layers are finite"
                            : fmt::format("the first layer whose output is not finite is {}", layer);
    if (blamed != bad) {
      go_back_to(blamed);
      batch = *loader_->next();
      cause += fmt::format("; to blame is the update of step {}", blamed + 1);
    }
    cause += fmt::format(", on {}", names_of(batch));
    if (static_cast<int>(state_.skipped_steps.size()) >= options_.skip_bad_steps)
      throw Error(
          "train: {}; {}. The last checkpoint is kept. {}A lower --lr or --clip 1 may help; --skip-bad-steps "
          "{} "
          "goes on without such a step",
          what, cause, way_out_of_fp16(), state_.skipped_steps.size() + 1);
    state_.skipped_steps.push_back(blamed);
    say(fmt::format("{}; {}. Going on without step {}, {} of {} that may be left out", what, cause,
                    blamed + 1, state_.skipped_steps.size(), options_.skip_bad_steps));
    rates_.resize(static_cast<std::size_t>(blamed - good_step_));
    next_step({});
  }

  static std::string names_of(const Batch& batch) {
    std::string names;
    for (std::size_t n = 0; n < std::min<std::size_t>(kNamed, batch.names.size()); ++n)
      names += (n ? ", " : "") + batch.names[n];
    if (batch.names.size() > kNamed) names += fmt::format(" and {} more", batch.names.size() - kNamed);
    return names;
  }

  TrainProgress progress_of(double loss, double gradient_norm) const {
    TrainProgress p;
    p.step = state_.step;
    p.steps = planned_steps();
    p.loss = loss;
    p.gradient_norm = gradient_norm;
    p.learning_rate = rates_now_.learning_rate;
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
    if (scales_loss()) line["loss_scale"] = state_.loss_scale.value;
    if (p.evaluation) {
      line["exact"] = p.evaluation->exact();
      line["cer"] = p.evaluation->cer();
    }
    return line;
  }

  void save(const char* name, const ExtraTensors& extra) {
    state_.write(model_.training, scales_loss());
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
  LoaderOptions loading_;
  DataReport report_;
  std::vector<Problem> problems_;
  std::vector<NamedTensor> tensors_;  // all that a step changes
  Snapshot good_;                     // of them, at the last checkpoint
  std::int64_t good_step_ = 0;
  std::vector<TrainStep::Rates> rates_;  // of the steps since
  std::optional<FolderLock> lock_;
  TrainState state_;
  std::int64_t first_step_ = 0;
  TrainStep::Rates rates_now_;
  Stopwatch watch_;
};

}  // namespace

TrainResult train(const TrainOptions& options, const Device& device, const TrainCallbacks& callbacks) {
  return Trainer(options, device, callbacks).run();
}

}  // namespace tapeline
