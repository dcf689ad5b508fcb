#include "models/training/train_options.h"

#include <filesystem>

#include "engine/error.h"
#include "engine/io/safetensors.h"
#include "models/json_field.h"
#include "models/recognizer/model_metadata.h"

namespace tapeline {

namespace {

/// Calls visit(name, member) for all that to_json() holds.
template <typename Options, typename Visit>
void each_field(Options& o, Visit&& visit) {
  visit("network", o.network);
  visit("charset", o.charset);
  visit("data", o.data);
  visit("validate", o.validate);
  visit("batch", o.batch);
  visit("seed", o.seed);
  visit("optimizer", o.optimizer);
  visit("learning_rate", o.learning_rate);
  visit("schedule", o.schedule);
  visit("decay", o.decay);
  visit("clip", o.clip);
  visit("augment", o.augment);
}

/// `bounds`: the lowest and the highest of a number.
template <typename T, typename... Bounds>
void get_field(const nlohmann::json& json, const char* name, T& to, Bounds... bounds) {
  try {
    if constexpr (std::is_same_v<T, std::string>)
      to = read_text(json, name);
    else
      to = read_number<T>(json, name, bounds...);
  } catch (const Error& error) {
    throw Error("training options: {}", error.what());
  }
}

}  // namespace

nlohmann::json to_json(const TrainOptions& options) {
  nlohmann::json json = nlohmann::json::object();  // a null one crashes where its first field finds no memory
  each_field(options, [&](const char* name, const auto& value) { json[name] = value; });
  return json;
}

void from_json(const nlohmann::json& json, TrainOptions& options) {
  each_field(options, [&](const char* name, auto& value) { get_field(json, name, value); });
}

TrainOptions options_of_training(const nlohmann::json& training) {
  const auto options = training.find("options"), length = training.find("length");
  if (options == training.end() || length == training.end())
    throw Error("holds no training to go on with; `tapeline train` without --resume begins one");
  TrainOptions result;
  from_json(*options, result);
  get_field(*length, "steps", result.steps, std::int64_t{0}, TrainOptions::kMostSteps);
  get_field(*length, "epochs", result.epochs, 0.0, TrainOptions::kMostEpochs);
  get_field(*length, "minutes", result.minutes, 0.0, TrainOptions::kMostMinutes);
  get_field(*length, "evaluate_every", result.evaluate_every, std::int64_t{1}, TrainOptions::kMostSteps);
  get_field(*length, "patience", result.patience, 0, TrainOptions::kMostPatience);
  return result;
}

TrainOptions options_of_checkpoint(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "last.safetensors").string();
  if (!std::filesystem::exists(path))
    throw Error("there is no {} to go on from; `tapeline train` without --resume begins a training", path);
  const Safetensors file = Safetensors::read(path);
  try {
    TrainOptions options = options_of_training(ModelMetadata::of(file).training);
    options.output = folder;
    options.resume = true;
    return options;
  } catch (const Error& error) {
    throw Error("{}: {}", path, error.what());
  }
}

}  // namespace tapeline
