#include "models/data/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "models/data/paper.h"
#include "models/data/warp.h"

namespace tapeline {
namespace {

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f) + .5f); }

/// out = choose(three neighbours), along rows and then along columns: a 3x3 minimum, maximum or the like.
template <typename Choose>
Image filter3x3(const Image& image, Choose choose) {
  Image rows(image.width, image.height, image.channels), result = rows;
  const int n = image.channels, row = image.width * n;
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* in = image.at(0, y);
    std::uint8_t* out = rows.at(0, y);
    for (int i = 0; i < row; ++i) out[i] = choose(in[i < n ? i : i - n], in[i], in[i + n < row ? i + n : i]);
  }
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* above = rows.at(0, std::max(y - 1, 0));
    const std::uint8_t* in = rows.at(0, y);
    const std::uint8_t* below = rows.at(0, std::min(y + 1, image.height - 1));
    std::uint8_t* out = result.at(0, y);
    for (int i = 0; i < row; ++i) out[i] = choose(above[i], in[i], below[i]);
  }
  return result;
}

void blend_into(Image& image, const Image& other, float weight) {
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const float value = image.pixels[i];
    image.pixels[i] = to_byte(value + weight * (other.pixels[i] - value));
  }
}

/// Strokes that are darker than the paper grow by a minimum and shrink by a maximum.
void change_thickness(Image& image, float amount) {
  const bool grow = amount > 0;
  for (float left = std::abs(amount); left > 0; left -= 1) {
    const Image changed = filter3x3(image, [grow](std::uint8_t a, std::uint8_t b, std::uint8_t c) {
      return grow ? std::min({a, b, c}) : std::max({a, b, c});
    });
    blend_into(image, changed, std::min(left, 1.0f));
  }
}

void blur(Image& image, float weight) {
  const Image smooth = filter3x3(
      image, [](int a, int b, int c) { return static_cast<std::uint8_t>((a + 2 * b + c + 2) / 4); });
  blend_into(image, smooth, weight);
}

void draw_disc(Image& image, float x, float y, float radius, const Colour& colour) {
  const int left = std::max(0, static_cast<int>(x - radius)), top = std::max(0, static_cast<int>(y - radius));
  const int right = std::min(image.width - 1, static_cast<int>(x + radius + 1));
  const int bottom = std::min(image.height - 1, static_cast<int>(y + radius + 1));
  for (int py = top; py <= bottom; ++py)
    for (int px = left; px <= right; ++px) {
      const float dx = static_cast<float>(px) - x, dy = static_cast<float>(py) - y;
      const float cover = std::clamp(radius + .5f - std::sqrt(dx * dx + dy * dy), 0.0f, 1.0f);
      std::uint8_t* pixel = image.at(px, py);
      for (int c = 0; c < image.channels; ++c)
        pixel[c] = to_byte(pixel[c] + cover * (colour[static_cast<std::size_t>(c)] - pixel[c]));
    }
}

/// A walk across a part of the image that bends steadily and, one time in three, breaks off into a new
/// direction.
void draw_line(Image& image, Random& random, const Colour& ink) {
  Colour colour = ink;
  if (random.chance(.3f))
    for (float& channel : colour) channel = random.uniform(0, 255);
  const float height = static_cast<float>(image.height), width = static_cast<float>(image.width);
  const float unit = height / 50;
  const float radius = random.uniform(.4f, 1.6f) * unit;
  float x = random.uniform(0, width), y = random.uniform(-.1f, 1.1f) * height;
  float direction = random.uniform(-.8f, .8f) + (random.chance(.5f) ? std::numbers::pi_v<float> : 0);
  const float bend = random.uniform(-.6f, .6f) / height;
  const float length = random.uniform(.3f, 3) * height;
  const float corner = random.chance(.33f) ? random.uniform(.2f, .8f) * length : length;
  const float turn = random.uniform(-1.5f, 1.5f), step = std::max(radius * .7f, .5f);
  bool turned = false;
  for (float at = 0; at < length; at += step) {
    if (x > -radius && y > -radius && x < width + radius && y < height + radius)
      draw_disc(image, x, y, radius, colour);
    if (!turned && at >= corner) {
      direction += turn;
      turned = true;
    }
    x += step * std::cos(direction);
    y += step * std::sin(direction);
    direction += bend * step;
  }
}

void erase_rectangle(Image& image, Random& random, const Paper& paper) {
  const int largest = std::max(1, image.height / 6);
  const int width = random.integer(1, largest), height = random.integer(1, largest);
  const int left = random.integer(0, image.width - 1), top = random.integer(0, image.height - 1);
  for (int y = top; y < std::min(top + height, image.height); ++y)
    for (int x = left; x < std::min(left + width, image.width); ++x) {
      const Colour colour = paper.at(static_cast<float>(x), static_cast<float>(y));
      for (int c = 0; c < image.channels; ++c)
        image.at(x, y)[c] = to_byte(colour[static_cast<std::size_t>(c)]);
    }
}

/// Brightness, contrast, gamma and the negative, as one table for each channel.
void change_tones(Image& image, Random& random, const AugmentOptions& options) {
  const auto draw = [&](float limit) { return random.uniform(-limit, limit); };
  const float gamma_limit = std::log(1 + options.gamma);
  const float gamma = std::exp(draw(gamma_limit));
  const float brightness = draw(options.brightness), contrast = 1 + draw(options.contrast);
  const bool negative = random.chance(options.invert);
  const float own = image.channels == 3 ? options.colour : 0;
  std::array<std::array<std::uint8_t, 256>, 3> tables;
  for (auto& table : tables) {
    const float offset = brightness + draw(own), factor = contrast * (1 + draw(own));
    for (std::size_t i = 0; i < 256; ++i) {
      float value = std::pow(static_cast<float>(i) / 255, gamma);
      value = std::clamp((value - .5f) * factor + .5f + offset, 0.0f, 1.0f);
      table[i] = to_byte(255 * (negative ? 1 - value : value));
    }
  }
  std::array<std::size_t, 3> order = {0, 1, 2};
  if (own > 0) random.shuffle(order);
  for (auto pixel = image.pixels.begin(); pixel != image.pixels.end(); pixel += image.channels) {
    const std::array<std::uint8_t, 3> in = {pixel[0], pixel[image.channels / 2], pixel[image.channels - 1]};
    for (int c = 0; c < image.channels; ++c)
      pixel[c] = tables[static_cast<std::size_t>(c)][in[order[static_cast<std::size_t>(c)]]];
  }
}

/// Triangular noise, the sum of two uniform bytes: cheaper than a normal one, and no worse here.
void add_noise(Image& image, Random& random, float deviation) {
  constexpr float kDeviationOfSum = 104.5f;  // sqrt(2 * (256^2 - 1) / 12)
  const float factor = 255 * deviation / kDeviationOfSum;
  for (std::size_t i = 0; i < image.pixels.size(); i += 2) {
    const std::uint32_t bits = random.bits();
    const auto noise = [&](int shift) {
      const int sum = static_cast<int>((bits >> shift) & 255) + static_cast<int>((bits >> (shift + 8)) & 255);
      return factor * static_cast<float>(sum - 255);
    };
    image.pixels[i] = to_byte(image.pixels[i] + noise(0));
    if (i + 1 < image.pixels.size()) image.pixels[i + 1] = to_byte(image.pixels[i + 1] + noise(16));
  }
}

}  // namespace

Image augment(Image image, Random& random, const AugmentOptions& options) {
  if (image.empty() || !options.any()) return image;
  const bool moves = options.rotate > 0 || options.shear > 0 || options.scale > 0 || options.stretch > 0 ||
                     options.shift > 0 || options.perspective > 0 || options.elastic > 0;
  if (moves) image = warp(image, random, options);
  if (options.thickness > 0) change_thickness(image, random.uniform(-options.thickness, options.thickness));
  if (options.lines > 0 || options.erase > 0) {
    const Paper paper(image);
    const Colour ink = ink_of(image, paper);
    const int lines = random.integer(0, static_cast<int>(options.lines));
    for (int i = 0; i < lines; ++i) draw_line(image, random, ink);
    const int rectangles = random.integer(0, static_cast<int>(options.erase));
    for (int i = 0; i < rectangles; ++i) erase_rectangle(image, random, paper);
  }
  change_tones(image, random, options);
  if (options.blur > 0) blur(image, random.uniform(0, options.blur));
  if (options.noise > 0) add_noise(image, random, random.uniform(0, options.noise));
  return image;
}

}  // namespace tapeline
