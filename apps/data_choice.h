#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/data/dataset.h"
#include "models/data/subset.h"

namespace tapeline {

/// Which images a command works on: what --data names, of that one part of a split, and of that the first so
/// many.
struct DataChoice {
  std::string data;
  std::string split;  // "0.8:0.2"; empty: all
  Part part = Part::training;
  std::int64_t limit = 0;  // 0: all

  DatasetPtr open(bool strict = false) const { return take(open_dataset(data, strict)); }
  /// The same of what open_dataset(data) gave.
  DatasetPtr take(DatasetPtr dataset) const;

  /// Whether the images are made here, so that no file is opened for them.
  bool rendered() const;

  /// `photos | training of 0.8:0.2 | first 600`, which parse() turns into the same again.
  std::string text() const;
  static DataChoice parse(std::string_view text);
};

/// What a training validates on unless it is told: of rendered images, 1,000 others (another seed); of the
/// rest, a tenth by content, which is then taken away from `training`.
DataChoice default_validation(DataChoice& training);

/// How many samples a report of check_dataset() left out: "12", or "100,000 or more" where it kept only the
/// first.
std::string count_problems(const std::vector<Problem>& problems);

/// The help for --data.
extern const char* const kDataHelp;

}  // namespace tapeline
