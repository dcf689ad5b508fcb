#pragma once

#include <string_view>

#include "models/data/dataset.h"

namespace tapeline {

/// `synth:expressions?seed=7&operators=3&count=2000`: everything after the colon. Options other than `count`
/// are those of the renderer. Throws Error for an unknown kind or option, and for a bad value.
DatasetPtr open_synth_dataset(std::string_view kind_and_options);

}  // namespace tapeline
