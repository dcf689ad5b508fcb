#pragma once

#include <string>

#include "models/data/loader.h"
#include "models/recognizer/model.h"

namespace tapeline {

/// How a training of `model`, which must outlive them, gets its batches. Throws on a text that is no
/// augmentation.
LoaderOptions loader_options(const Model& model, int batch, const std::string& augment, std::uint64_t seed,
                             int threads);

}  // namespace tapeline
