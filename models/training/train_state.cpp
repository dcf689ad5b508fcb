#include "models/training/train_state.h"

#include <algorithm>

#include "models/json_field.h"
#include "models/training/train_options.h"

namespace tapeline {

bool TrainState::improve(const Evaluation& e) {
  const bool better = e.exact() > best_exact || (e.exact() == best_exact && e.cer() < best_cer);
  stale = better ? 0 : stale + 1;
  if (better) best_exact = e.exact(), best_cer = e.cer(), best_step = step;
  return better;
}

bool TrainState::is_skipped(std::int64_t which) const {
  return std::find(skipped_steps.begin(), skipped_steps.end(), which) != skipped_steps.end();
}

void TrainState::write(nlohmann::json& training, bool scales_loss) const {
  training["state"] = {{"step", step},
                       {"best_exact", best_exact},
                       {"best_cer", best_cer},
                       {"best_step", best_step},
                       {"stale", stale}};
  if (!skipped_steps.empty()) training["skipped_steps"] = skipped_steps;
  if (scales_loss) training["loss_scale"] = {{"value", loss_scale.value}, {"steady", loss_scale.steady}};
}

TrainState TrainState::read(const nlohmann::json& training) {
  const auto state = training.find("state");
  if (state == training.end()) throw Error("\"state\" is missing");
  TrainState read;
  read.step = read_number<std::int64_t>(*state, "step", 0, TrainOptions::kMostSteps);
  read.best_exact = read_number<double>(*state, "best_exact");
  read.best_cer = read_number<double>(*state, "best_cer");
  read.best_step = read_number<std::int64_t>(*state, "best_step", 0, TrainOptions::kMostSteps);
  read.stale = read_number<int>(*state, "stale", 0, 1 << 30);
  if (const auto skipped = training.find("skipped_steps"); skipped != training.end()) {
    if (!skipped->is_array()) throw Error("\"skipped_steps\" must be a list");
    for (const nlohmann::json& step : *skipped) {
      const auto number = number_of<std::int64_t>(step, 0, TrainOptions::kMostSteps);
      if (!number)
        throw Error("\"skipped_steps\" must be whole numbers from 0 to {}", TrainOptions::kMostSteps);
      read.skipped_steps.push_back(*number);
    }
  }
  if (const auto scale = training.find("loss_scale"); scale != training.end()) {
    read.loss_scale.value = read_number<double>(*scale, "value", 1, LossScale::kLargest);
    read.loss_scale.steady = read_number<std::int64_t>(*scale, "steady", 0, LossScale::kPatience);
  }
  return read;
}

}  // namespace tapeline
