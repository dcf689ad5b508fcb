#pragma once

// How far a training has come: what a checkpoint keeps of it besides tensors and options.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "models/recognizer/evaluate.h"
#include "models/training/loss_scale.h"

namespace tapeline {

struct TrainState {
  std::int64_t step = 0;  // done
  double best_exact = -1, best_cer = 1;
  std::int64_t best_step = 0;
  int stale = 0;                            // evaluations since the best
  std::vector<std::int64_t> skipped_steps;  // left out because they went wrong; counted from 0
  LossScale loss_scale;                     // of trainings in fp16

  /// Whether this evaluation, after `step`, is the best so far: by exact accuracy, then by character error
  /// rate.
  bool improve(const Evaluation& evaluation);
  bool is_skipped(std::int64_t step) const;

  /// In the metadata's `training`: "state", "skipped_steps" where there are any, and, where the loss is
  /// scaled, "loss_scale".
  void write(nlohmann::json& training, bool scales_loss) const;
  /// Throws Error, naming the field, where one is missing or cannot be.
  static TrainState read(const nlohmann::json& training);
};

}  // namespace tapeline
