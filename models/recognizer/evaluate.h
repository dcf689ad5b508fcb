#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "models/data/dataset.h"
#include "models/recognizer/recognizer.h"

namespace tapeline {

struct Confusion {
  std::string truth, read;  // one character each; "" for one that was left out or put in
  int count = 0;
};

struct Mistake {
  std::size_t index = 0;  // in the data set
  std::string name, truth, read;
  double confidence = 0;
  int distance = 0;  // Levenshtein, in characters
};

struct Evaluation {
  int images = 0, right = 0;
  int not_finite = 0;              // images for which the network's output is not; all of them wrong
  std::int64_t characters = 0;     // of the true texts
  std::int64_t edits = 0;          // sum of Levenshtein distances
  double mean_distance = 0;        // edits per image
  double normalized_distance = 0;  // mean of distance / length of the longer text (0 where both are empty)
  double confidence_right = 0, confidence_wrong = 0;  // means; 0 where there are none
  double calibration_error = 0;                       // expected, ten bins of equal width (Guo et al. 2017)
  std::vector<Confusion> confusions;                  // most frequent first
  std::vector<Mistake> mistakes;     // all, the worst (by distance, then by confidence) first
  std::vector<Reading> readings;     // one for each image that was read
  std::vector<std::size_t> indices;  // which image of the data set that was
  std::vector<Problem> problems;     // samples that could not be used, and why

  double exact() const { return images ? static_cast<double>(right) / images : 0; }
  /// Character error rate: edits / characters.
  double cer() const { return characters ? static_cast<double>(edits) / static_cast<double>(characters) : 0; }
};

/// Compares readings with true texts; both in the same order. Fills all but readings, indices and problems.
Evaluation score(std::span<const std::string> names, std::span<const std::string> truths,
                 std::span<const Reading> readings);

struct EvaluateOptions {
  int batch = 64;
  int threads = 0;      // that read and prepare pictures; 0: as many as cores
  bool strict = false;  // throw at the first sample that cannot be used
  std::function<void(int done, int all)> progress;
};

/// Reads every sample of a finite set and compares. Those that cannot be decoded are left out and go to
/// problems. Throws on an endless set, one without a usable sample, and with `strict` at the first problem.
Evaluation evaluate(Recognizer& recognizer, const DatasetPtr& data, const EvaluateOptions& options);

/// images, exact, cer, ned, distance, confidence_right, confidence_wrong, calibration_error (fractions of 1),
/// confusions, mistakes, problems.
nlohmann::json to_json(const Evaluation& evaluation, std::size_t most_mistakes = 20);

}  // namespace tapeline
