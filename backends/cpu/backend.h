#pragma once

#include <memory>

#include "engine/backend.h"

namespace tapeline {

/// The processor, with `threads` threads (0: as many as this process may use). Throws when TAPELINE_CPU asks
/// for an instruction set that the processor lacks, and on a precision that it has no instructions for.
std::shared_ptr<Backend> open_cpu(int threads = 0, Precision precision = Precision::fp32);

}  // namespace tapeline
