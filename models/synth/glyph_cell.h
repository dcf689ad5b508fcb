#pragma once

#include "engine/random.h"
#include "models/image/draw.h"

namespace tapeline {

/// Draws one character (of kExpressionCharacters) as a captcha has it: in a hand of its own, turned,
/// stretched over its whole cell (which makes a plus fat), and warped. `size` is the nominal font size in
/// pixels. The mask is the cell; its coverage has the ragged edge of an image that was scaled without
/// smoothing.
Mask draw_glyph_cell(char character, float size, Random& random);

}  // namespace tapeline
