#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "models/data/dataset.h"

namespace tapeline {

struct TrainOptions {
  static constexpr std::int64_t kMostSteps = std::int64_t{1} << 53;
  static constexpr double kMostEpochs = 1e9, kMostMinutes = 1e7;
  static constexpr int kMostPatience = 1'000'000;

  std::string network;  // VGSL
  std::string charset;  // empty: the characters of the labels
  std::string data,
      validate;  // what the sets below were opened from, in words: kept, and compared at a resumption
  DatasetPtr training, validation;  // validation may be null
  std::string output;               // folder; made where it is missing

  std::int64_t steps = 0;  // one of the three is given
  double epochs = 0, minutes = 0;
  int batch = 64;
  std::uint64_t seed = 1;
  std::string optimizer = "adam";  // see parse_optimizer()
  double learning_rate = 1e-3;
  std::string schedule = "constant";  // see parse_schedule()
  std::string decay;                  // weight decay by parameter pattern, see parse_decay_rules()
  double clip = 0;                    // of the gradient's norm; 0: none
  std::string augment = "none";       // see parse_augment()
  std::int64_t evaluate_every = 500;  // steps; also how often a checkpoint is written
  int patience = 0;                   // evaluations without improvement before it ends; 0: never
  int loader_threads = 0;             // 0: one a core
  bool strict = false;                // unusable samples stop it
  int skip_bad_steps = 0;             // so many steps that go wrong are left out before it gives up
  bool resume = false;                // go on from last.safetensors in `output`
};

/// What decides a training's outcome; how long it goes on, how often it evaluates, and where it runs do not.
nlohmann::json to_json(const TrainOptions& options);

/// Puts what to_json() gave back into options. Throws, naming the field, where one is missing or of the wrong
/// type.
void from_json(const nlohmann::json& json, TrainOptions& options);

/// The options that a model's `training` metadata, an object, tells, for --resume: all of to_json(), and the
/// length. Throws Error, naming the field, where it holds no such options, or a length beyond those above.
TrainOptions options_of_training(const nlohmann::json& training);

/// The same of the checkpoint last.safetensors in `folder`, as which they go on. Throws where there is none.
TrainOptions options_of_checkpoint(const std::string& folder);

}  // namespace tapeline
