#pragma once

// Which way up a photo is. A camera writes the pixels as its sensor lies and says beside them how it was
// held; every viewer turns the picture by that.

#include <cstddef>
#include <span>

#include "models/image/image.h"

namespace tapeline {

/// The orientation, 1 to 8, that a JPEG's APP1 segment (without marker and length) tells of; 1, upright,
/// where it is not Exif, says nothing of it or is damaged. Tag 0x0112 of Exif 2.32, section 4.6.4, which says
/// what the numbers mean.
int read_orientation(std::span<const std::byte> segment);

/// The picture as it is to be looked at; 5 to 8 exchange width and height. `orientation` is 1 to 8.
Image turn_upright(Image image, int orientation);

}  // namespace tapeline
