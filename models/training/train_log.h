#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/image/chart.h"

namespace tapeline {

/// A curve of any length in a few thousand points: every one of them at first, then every 2nd, every 4th...
class ThinnedCurve {
 public:
  static constexpr std::size_t kMostPoints = 4096;

  explicit ThinnedCurve(std::string name) : series_{std::move(name), {}} {}
  void add(double x, double y);
  const Series& series() const { return series_; }

 private:
  Series series_;
  std::uint64_t count_ = 0, stride_ = 1;
};

/// log.jsonl: one JSON object a line, with "step" first; and curves.png, the picture of it.
class TrainLog {
 public:
  /// Begins an empty log in the folder, or keeps the lines up to `resume_step` of the one that is there.
  TrainLog(const std::string& folder, bool resume, std::int64_t resume_step);
  /// Throws, naming the file, where it cannot be written.
  void add(const nlohmann::json& line);
  /// Loss, and exact accuracy and character error rate where they were measured, over the steps.
  void draw() const;

 private:
  void add_points(const nlohmann::json& line);

  std::string file_, picture_;
  std::ofstream stream_;
  ThinnedCurve loss_{"loss"}, exact_{"read exactly"}, cer_{"character error rate"};
};

}  // namespace tapeline
