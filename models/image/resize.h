#pragma once

#include "models/image/image.h"

namespace tapeline {

/// The image at `width` x `height` pixels (both at least 1). Along an axis that shrinks, each new pixel is
/// the exact average of the stretch of old ones that it covers; along one that grows, pixels are interpolated
/// linearly between their centres.
Image resize(const Image& image, int width, int height);

}  // namespace tapeline
