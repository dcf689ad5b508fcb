#pragma once

// The work that `bench` and `profile` measure: whole training steps, or readings, of random pictures.

#include <memory>
#include <optional>

#include "apps/arguments.h"
#include "apps/network_choice.h"
#include "engine/optim/optimizer.h"
#include "models/data/batch.h"
#include "models/recognizer/recognizer.h"
#include "models/training/train_step.h"

namespace tapeline {

/// --mode, --batch, --width, and which network.
struct WorkChoice {
  NetworkChoice network;
  std::string mode = "infer";
  int batch = 32, width = 0;

  void declare(Arguments& arguments);
  bool trains() const { return mode == "train"; }
};

class RandomWork {
 public:
  RandomWork(const WorkChoice& choice, const Device& device);
  RandomWork(const RandomWork&) = delete;
  RandomWork& operator=(const RandomWork&) = delete;

  /// One recorded step, or one recorded reading of the batch. Blocks until it is done.
  void run();

  const Batch& batch() const { return batch_; }
  const Model& model() const { return model_; }

 private:
  Model model_;
  Batch batch_;
  std::optional<Optimizer> optimizer_;
  std::optional<TrainStep> step_;
  std::optional<Recognizer> recognizer_;
  std::int64_t steps_ = 0;
};

}  // namespace tapeline
