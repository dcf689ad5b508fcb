#pragma once

// Parts of a data set: a range, the first so many, and the two parts of a split by content.

#include <optional>
#include <string_view>

#include "models/data/dataset.h"

namespace tapeline {

/// FROM:TO as in `#FROM:TO`; negative numbers count from the end.
struct Slice {
  std::optional<std::int64_t> from, to;
};

/// Nothing where the text is not of the form `FROM:TO`.
std::optional<Slice> parse_slice(std::string_view text);

/// The range of the set; bounds past its ends are moved there. Throws Error where nothing is left, and where
/// the range of an endless set has no end or counts from there.
DatasetPtr take_slice(DatasetPtr dataset, const Slice& slice);

/// The first `count` samples, or all if there are fewer. count > 0.
DatasetPtr take_first(DatasetPtr dataset, std::size_t count);

/// Shares of training and validation, as in `0.8:0.2` or `4:1`.
struct Split {
  double training, validation;
};

/// Throws Error where the text is not two positive numbers with a colon between them.
Split parse_split(std::string_view text);

enum class Part { training, validation };

/// One part of a split. The bytes of an image's file alone decide where it goes: not its name, its place, or
/// other files, so a sample stays in its part while others come and go, and equal images are never in both.
/// An unreadable file goes to training. Throws Error for an endless set, and where the part is empty.
DatasetPtr take_part(DatasetPtr dataset, const Split& split, Part part);

}  // namespace tapeline
