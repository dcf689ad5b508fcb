#pragma once

#include <optional>

#include "apps/data_choice.h"
#include "models/data/loader.h"
#include "models/recognizer/model.h"

namespace tapeline {

/// What a training does beside the network: reading, decoding or drawing, augmenting and preparing pictures,
/// in worker threads.
class LoadingWork {
 public:
  /// Batches of `batch` as `model` would be trained on. Throws as a training on such data would.
  LoadingWork(const Model& model, const DataChoice& data, const std::string& augment, int batch, int threads);

  /// Takes the next batch, and returns how many pictures it has.
  int run();

 private:
  std::optional<Loader> loader_;
};

}  // namespace tapeline
