#pragma once

#include <string>

#include "apps/device_options.h"
#include "apps/terminal.h"
#include "models/recognizer/recognizer.h"

namespace tapeline {

/// With --precision fp16, a recognizer of the model at `path` that comes upon values which are not finite
/// says so and goes on with the same device in fp32. All three are held on to.
void fall_back_to_fp32(Recognizer& recognizer, const std::string& path, const DeviceChoice& choice,
                       Progress& progress);

}  // namespace tapeline
