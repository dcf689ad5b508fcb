#pragma once

// The training loop: batches from the loader, one recorded program a step, evaluation, checkpoints, a log.

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "models/data/dataset.h"
#include "models/recognizer/evaluate.h"
#include "models/recognizer/model.h"
#include "models/training/train_options.h"

namespace tapeline {

struct TrainProgress {
  std::int64_t step = 0, steps = 0;  // steps: planned in all, as far as known
  double loss = 0;                   // mean since the last report
  double learning_rate = 0, gradient_norm = 0;
  double images_per_second = 0, seconds = 0, seconds_left = 0;
  const Evaluation* evaluation = nullptr;  // where there was one at this step
  bool best = false;                       // and it was the best so far
};

struct TrainResult {
  std::int64_t step = 0;
  double best_exact = 0, best_cer = 1;
  std::int64_t best_step = 0;
  enum class Ended { finished, patience, stopped } ended = Ended::finished;
  double seconds = 0;                       // of this run
  std::vector<std::int64_t> skipped_steps;  // left out because they went wrong, of all runs; counted from 0
  std::vector<Problem> problems;
};

struct TrainCallbacks {
  std::function<void(const std::string&)> say;         // a line for people
  std::function<void(const TrainProgress&)> progress;  // about once a second, and at evaluations
  const std::atomic<bool>* stop = nullptr;             // set: end after this step, with a checkpoint
};

/// Trains, and leaves in options.output: best.safetensors (by exact accuracy, then by character error rate;
/// the last where there is no validation), last.safetensors (with all that --resume needs), log.jsonl and
/// curves.png. The same options on the same device give the same bits; so does any number of interruptions
/// and resumptions (but for `minutes`, which depends on the clock). One training writes to a folder at a
/// time.
///
/// A step goes wrong when its loss or its gradient's norm is not finite, or the loss is 1,000 times that of a
/// network that guesses. It is then looked for the step that is to blame: the training goes back to the last
/// checkpoint, repeats what followed, and tries the step before on the weights that it made. Where
/// options.skip_bad_steps are not used up, it goes on without that step; else it throws, naming the step, the
/// first layer whose output is not finite, and the batch's samples, and the last checkpoint stays.
TrainResult train(const TrainOptions& options, const Device& device, const TrainCallbacks& callbacks);

}  // namespace tapeline
