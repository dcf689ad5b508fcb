#pragma once

#include <cstddef>
#include <vector>

#include "engine/kernels/kernel.h"

namespace tapeline::vulkan {

/// The largest operand of a kernel, in bytes.
std::size_t largest_operand(const Kernel& kernel);

/// The kernel as several of its kind, each for some of the images, rows or elements, so that no operand has
/// more than `most` bytes and each begins at a multiple of `alignment`: together they give the same bits.
/// Empty where that cannot be done: where one image alone is too large, and where images are summed over, for
/// which Plan::runs() is.
std::vector<Kernel> split(const Kernel& kernel, std::size_t most, std::size_t alignment);

}  // namespace tapeline::vulkan
