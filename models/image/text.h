#pragma once

#include <string>
#include <string_view>

#include "models/image/draw.h"

namespace tapeline {

/// Text in a built-in line font: printable ASCII; every other character is a box. `size` is the height of a
/// capital letter in pixels. (x, y) is the left end of the baseline; the text is not wrapped.
void draw_text(Image& image, float x, float y, std::string_view text, float size, Colour colour);

/// Width in pixels of what draw_text draws, the space after the last letter included.
float text_width(std::string_view text, float size);

/// The text, or as much of its beginning as fits into `width` with "..." after it.
std::string shorten_text(std::string_view text, float size, float width);

}  // namespace tapeline
