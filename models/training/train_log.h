#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tapeline {

/// log.jsonl: one JSON object a line, with "step" first; and curves.png, the picture of it.
class TrainLog {
 public:
  /// Begins an empty log in the folder, or keeps the lines up to `resume_step` of the one that is there.
  TrainLog(const std::string& folder, bool resume, std::int64_t resume_step);
  /// Throws, naming the file, where it cannot be written.
  void add(nlohmann::json line);
  /// Loss, and exact accuracy and character error rate where they were measured, over the steps.
  void draw() const;

 private:
  std::string file_, picture_;
  std::ofstream stream_;
  std::vector<nlohmann::json> lines_;
};

}  // namespace tapeline
