#pragma once

#include "models/data/dataset.h"

namespace tapeline {

inline constexpr std::size_t kDefaultCacheBytes = std::size_t{512} << 20;

/// The same set, whose decoded images are kept in memory once they were read, as long as all of them together
/// take no more than `max_bytes`. An endless set is returned as it is.
DatasetPtr keep_decoded(DatasetPtr dataset, std::size_t max_bytes = kDefaultCacheBytes);

}  // namespace tapeline
