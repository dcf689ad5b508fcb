#pragma once

// The geometric part of augmentation: one projective map and a smooth displacement, sampled once.

#include "engine/random.h"
#include "models/data/augment.h"
#include "models/image/image.h"

namespace tapeline {

/// Draws rotation, shear, scale, stretch, shift, perspective and elastic displacement, and applies them
/// together.
Image warp(const Image& image, Random& random, const AugmentOptions& options);

}  // namespace tapeline
