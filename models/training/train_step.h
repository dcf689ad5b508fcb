#pragma once

#include <map>
#include <vector>

#include "engine/optim/optimizer.h"
#include "engine/program.h"
#include "models/data/loader.h"
#include "models/recognizer/batch_input.h"
#include "models/recognizer/model.h"

namespace tapeline {

/// One step of training, recorded: forward, CTC, backward, clipping and update are one program for each width
/// of a batch.
class TrainStep {
 public:
  /// Keeps references to all three. `seed` is that of the dropout masks.
  TrainStep(const Model& model, Optimizer& optimizer, std::uint64_t seed)
      : model_(model), optimizer_(optimizer), seed_(seed) {}

  struct Result {
    double loss = 0;  // mean over the batch's images, in nats; each image's is not divided by its length
    double gradient_norm = 0;   // before clipping; 0 without clipping and loss scaling
    std::vector<float> losses;  // of each image
  };
  struct Rates {
    double learning_rate = 0, loss_scale = 1;  // the second where the optimiser scales the loss
  };
  /// Step number `step` (from 0) on a batch whose labels all fit their frames. Blocks until it is done.
  /// Throws, saying which batch would fit, where the device's memory does not hold this one.
  Result run(const Batch& batch, std::int64_t step, const Rates& rates);

  /// The text of the first layer that makes of this batch, with the weights as they are, a value that is not
  /// finite; "" where none does. Changes nothing.
  std::string first_layer_not_finite(const Batch& batch, std::int64_t step);

  /// Memory of the recorded programs' tensors, in bytes.
  std::size_t arena_bytes() const;

 private:
  struct Recorded {
    BatchInput input;
    Tensor labels, label_lengths, dropout, losses;
    Program program;
    std::size_t bytes() const { return input.bytes() + program.arena_bytes(); }
  };
  Recorded make(int count, int width) const;
  /// The end of a sentence.
  std::string what_fits(int width, std::size_t free) const;
  Recorded& recorded(int count, int width);
  void upload(const Batch& batch, std::int64_t step, const Recorded& to) const;

  const Model& model_;
  Optimizer& optimizer_;
  std::uint64_t seed_;
  std::map<std::pair<int, int>, Recorded> programs_;
};

}  // namespace tapeline
