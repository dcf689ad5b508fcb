#pragma once

#include <array>
#include <span>
#include <string_view>

namespace tapeline {

/// Every character that an expression can hold.
inline constexpr std::string_view kExpressionCharacters = "0123456789+-*()";

/// One hand: the line that the middle of its pen follows for each character, as a path (models/image/path.h).
/// Digits are 100 units high (y = 0 at their top, 100 on the baseline) and about 50 wide.
struct GlyphDesign {
  std::string_view name;
  float weight;        // how often it is chosen, relative to the others
  float pen;           // width of the pen in units
  float contrast;      // 0: a round pen; 1: no width at all along the nib
  float nib_x, nib_y;  // direction of the nib, a unit vector: lines along it are thin
  float wobble;        // how far points stray, in units
  std::array<std::string_view, kExpressionCharacters.size()> paths;
};

std::span<const GlyphDesign> glyph_designs();

}  // namespace tapeline
