#pragma once

// The work that `bench` and `profile` measure: whole training steps, or readings, of random pictures.

#include <memory>
#include <optional>

#include "apps/arguments.h"
#include "apps/device_options.h"
#include "apps/network_choice.h"
#include "engine/optim/optimizer.h"
#include "models/data/batch.h"
#include "models/recognizer/recognizer.h"
#include "models/training/train_step.h"

namespace tapeline {

/// --mode, --batch, --width, which network, and where.
struct WorkChoice {
  NetworkChoice network;
  DeviceChoice device;
  std::string mode = "infer";
  int batch = 32, width = 0;

  void declare(Arguments& arguments);
  /// Throws UsageError first unless exactly one network is given.
  Device open_device() const;
  bool trains() const { return mode == "train"; }
};

class RandomWork {
 public:
  RandomWork(const WorkChoice& choice, const Device& device);
  RandomWork(const RandomWork&) = delete;
  RandomWork& operator=(const RandomWork&) = delete;

  /// One recorded step, or one recorded reading of the batch. Blocks until it is done.
  void run();

  /// Writes what it takes to compute the same elsewhere, as safetensors: the weights as they are now, under
  /// the names of a model file, input.images [N, H, W, C] and
  ///   reading   output.logits [N, T, classes]
  ///   training  input.labels i32 [N, L], input.label_lengths i32 [N], and output.losses [3]: the mean loss
  ///             of the batch in each of the next three steps, which are done (Adam, learning rate 1e-4)
  void dump(const std::string& path);

  const Batch& batch() const { return batch_; }
  const Model& model() const { return model_; }

 private:
  double step();

  Model model_;
  Batch batch_;
  std::optional<Optimizer> optimizer_;
  std::optional<TrainStep> step_;
  std::optional<Recognizer> recognizer_;
  std::int64_t steps_ = 0;
};

}  // namespace tapeline
