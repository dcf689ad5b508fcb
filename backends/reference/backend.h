#pragma once

#include <memory>

#include "engine/backend.h"

namespace tapeline {

/// The backend that all others are compared with: plain loops on one thread, sums in double. Its fresh memory
/// holds NaNs, so that a kernel which reads what nobody wrote gives itself away.
std::shared_ptr<Backend> open_reference();

}  // namespace tapeline
