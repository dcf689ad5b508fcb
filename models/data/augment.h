#pragma once

// Random changes of a training image that leave its text as it is. The image keeps its size; what comes in
// from outside takes the colour of the paper near by.

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/random.h"
#include "models/image/image.h"

namespace tapeline {

/// How far each change may go; an amount is drawn anew for every image, uniformly up to the limit (both ways
/// where it has two). 0 turns a change off.
struct AugmentOptions {
  float rotate = 0;       // degrees
  float shear = 0;        // horizontal shift per row: .2 slants a stem by 11 degrees
  float scale = 0;        // .1: 90 to 110 % of the size
  float stretch = 0;      // the same, of the width alone
  float shift = 0;        // share of the width, and of the height
  float perspective = 0;  // .1: one side up to 10 % higher than the middle
  float elastic = 0;      // smooth local displacement, share of the height
  float thickness = 0;    // strokes grow or shrink by up to so many pixels a side, 0 to 2
  float lines = 0;        // at most so many straight, broken or curved lines, most in the ink's colour
  float erase = 0;        // at most so many small rectangles turned to paper
  float brightness = 0;   // share of the range from black to white
  float contrast = 0;     // .3: 70 to 130 %
  float gamma = 0;        // exponent from 1 / (1 + gamma) to 1 + gamma
  float colour = 0;  // brightness and contrast of each channel by itself, and channels exchanged; RGB only
  float invert = 0;  // probability of a negative
  float blur = 0;    // weight of a blurred copy, 0 to 1
  float noise = 0;   // share of the range, the widest deviation
  float warmup = 0;  // images of a run over which all limits above grow from 0

  bool any() const;
  bool operator==(const AugmentOptions&) const = default;
};

/// `none`, `light`, `strong`, `rotate=5,shear=.2`, or a preset changed by what follows it:
/// `strong,invert=.5`. Throws Error, which lists the known names, for any other, and for a value out of
/// range.
AugmentOptions parse_augment(std::string_view text);

/// The text that parse_augment() turns into these options: the options that are not 0, or `none`.
std::string to_string(const AugmentOptions& options);

/// The options for image number `position` of a run, whose limits are lower during the warm-up. It exists
/// because CTC, while it does not yet know where the characters are, learns little from images that are
/// changed much.
AugmentOptions at_position(const AugmentOptions& options, std::size_t position);

/// Draws from `random` alone, so that the same state gives the same image on every machine with the same
/// arithmetic.
Image augment(Image image, Random& random, const AugmentOptions& options);

}  // namespace tapeline
