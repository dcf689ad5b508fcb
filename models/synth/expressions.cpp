// An arithmetic captcha: characters side by side, each overlapping the one before; specks; one soft filter
// over everything. It follows the way that the widely used Python package `captcha` draws, whose traces real
// pictures show: ink that is the more transparent the darker it is, edges that tend to black, ragged
// outlines, specks of eight pixels in full colour, and an outermost row of pixels that the filter leaves
// alone.

#include "models/synth/expressions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "models/synth/glyph_cell.h"
#include "models/synth/glyphs.h"

namespace tapeline {

namespace {

constexpr std::string_view kKnownOptions = "seed, operators, brackets, width, height, specks";

/// Font sizes in pixels for a picture 60 pixels high.
constexpr std::array<float, 3> kFontSizes = {42, 50, 56};

/// A character's opacity is its luminance times this, at most 1.
constexpr float kOpacityOfLuminance = 1.97f;

template <typename Number>
Number parse_number(std::string_view name, std::string_view text, Number low, Number high) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= low && value <= high))
    throw Error("synth:expressions: {}={}: expected a number from {} to {}", name, text, low, high);
  return value;
}

void set_option(ExpressionOptions& options, std::string_view name, std::string_view value) {
  if (name == "seed") {
    options.seed = parse_number<std::uint64_t>(name, value, 0, ~std::uint64_t{0});
  } else if (name == "operators") {
    const std::size_t dash = value.find('-');
    options.min_operators = parse_number(name, value.substr(0, dash), 1, 5);
    options.max_operators =
        dash == value.npos ? options.min_operators : parse_number(name, value.substr(dash + 1), 1, 5);
    if (options.min_operators > options.max_operators)
      throw Error("synth:expressions: operators={}: the first number must not be the larger one", value);
  } else if (name == "brackets") {
    options.brackets = parse_number(name, value, 0.0f, 1.0f);
  } else if (name == "width") {
    options.width = parse_number(name, value, 32, 4096);
  } else if (name == "height") {
    options.height = parse_number(name, value, 16, 1024);
  } else if (name == "specks") {
    options.specks = parse_number(name, value, 0, 1000);
  } else {
    throw Error("synth:expressions: unknown option \"{}\" (known: {})", name, kKnownOptions);
  }
}

Colour random_colour(int low, int high, Random& random) {
  const auto channel = [&] { return static_cast<std::uint8_t>(random.integer(low, high)); };
  const std::uint8_t red = channel(), green = channel();
  return {red, green, channel()};
}

float luminance(Colour c) {
  return (0.299f * static_cast<float>(c.red) + 0.587f * static_cast<float>(c.green) +
          0.114f * static_cast<float>(c.blue)) /
         255;
}

struct Palette {
  Colour paper, ink;
};

/// Any light paper, any ink, except those in which a person could not read the text.
Palette choose_palette(Random& random) {
  for (;;) {
    const Palette palette{random_colour(238, 255, random), random_colour(10, 200, random)};
    const float ink = luminance(palette.ink), paper = luminance(palette.paper);
    const float opacity = std::min(1.0f, kOpacityOfLuminance * ink);
    if ((paper - ink) * opacity > 0.16f) return palette;
  }
}

/// Ink fades to black as coverage falls, and its opacity falls with it.
void lay_cell(Image& image, const Mask& cell, int left, Colour ink) {
  const float opacity = kOpacityOfLuminance * luminance(ink);
  const float channels[] = {static_cast<float>(ink.red), static_cast<float>(ink.green),
                            static_cast<float>(ink.blue)};
  const int top = (image.height - cell.height) / 2;
  for (int y = std::max(0, -top); y < std::min(cell.height, image.height - top); ++y)
    for (int x = std::max(0, -left); x < std::min(cell.width, image.width - left); ++x) {
      const float coverage = cell.at(x, y);
      if (coverage == 0) continue;
      const float alpha = std::min(1.0f, opacity * coverage);
      std::uint8_t* pixel = image.at(left + x, top + y);
      for (int c = 0; c < 3; ++c)
        pixel[c] = static_cast<std::uint8_t>(static_cast<float>(pixel[c]) * (1 - alpha) +
                                             channels[c] * coverage * alpha + 0.5f);
    }
}

Image squeezed(const Image& image, int width) {
  Image result(width, image.height, 3);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < width; ++x)
      std::copy_n(image.at((2 * x + 1) * image.width / (2 * width), y), 3, result.at(x, y));
  return result;
}

Image draw_text_line(const std::string& text, const ExpressionOptions& options, const Palette& palette,
                     Random& random) {
  const float scale = static_cast<float>(options.height) / 60;
  std::vector<Mask> cells;
  int text_width = 0;
  for (const char character : text) {
    const float size = kFontSizes[random.below(kFontSizes.size())] * scale;
    cells.push_back(draw_glyph_cell(character, size, random));
    text_width += cells.back().width;
  }
  const int average = text_width / static_cast<int>(text.size());

  Image image(std::max(options.width, text_width), options.height, 3);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    image.pixels[i] = palette.paper.red;
    image.pixels[i + 1] = palette.paper.green;
    image.pixels[i + 2] = palette.paper.blue;
  }
  int left = average / 10;
  for (const Mask& cell : cells) {
    lay_cell(image, cell, left, palette.ink);
    left += cell.width - random.integer(0, average / 6);
  }
  return image.width > options.width ? squeezed(image, options.width) : image;
}

void draw_specks(Image& image, int count, Colour ink, Random& random) {
  static constexpr std::array<std::array<int, 2>, 8> kSpeck = {
      {{0, -2}, {-1, -1}, {0, -1}, {1, -1}, {-2, 0}, {-1, 0}, {0, 0}, {-1, 1}}};
  for (; count > 0; --count) {
    const int x = random.integer(0, image.width), y = random.integer(0, image.height);
    for (const auto& [dx, dy] : kSpeck) {
      if (x + dx < 0 || y + dy < 0 || x + dx >= image.width || y + dy >= image.height) continue;
      std::uint8_t* pixel = image.at(x + dx, y + dy);
      pixel[0] = ink.red;
      pixel[1] = ink.green;
      pixel[2] = ink.blue;
    }
  }
}

/// Each pixel five times, its eight neighbours once; the outermost pixels stay.
Image smoothed(const Image& image) {
  Image result = image;
  const int stride = image.width * 3;
  for (int y = 1; y + 1 < image.height; ++y) {
    const std::uint8_t* row = image.at(1, y);
    std::uint8_t* target = result.at(1, y);
    for (int i = 0; i < stride - 6; ++i) {
      const std::uint8_t* p = row + i;
      const int sum = p[-stride - 3] + p[-stride] + p[-stride + 3] + p[-3] + 5 * p[0] + p[3] + p[stride - 3] +
                      p[stride] + p[stride + 3];
      target[i] = static_cast<std::uint8_t>((2 * sum + 13) / 26);
    }
  }
  return result;
}

}  // namespace

ExpressionOptions parse_expression_options(std::string_view text) {
  ExpressionOptions options;
  while (!text.empty()) {
    const std::string_view option = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), option.size() + 1));
    const std::size_t equals = option.find('=');
    if (equals == option.npos)
      throw Error("synth:expressions: \"{}\" is not NAME=VALUE (known: {})", option, kKnownOptions);
    set_option(options, option.substr(0, equals), option.substr(equals + 1));
  }
  return options;
}

std::string draw_expression(const ExpressionOptions& options, Random& random) {
  const int operators = random.integer(options.min_operators, options.max_operators);
  const bool brackets = operators > 1 && random.chance(options.brackets);
  const int bracketed = brackets ? random.integer(0, operators - 1) : -2;  // which operation
  std::string text;
  for (int i = 0; i <= operators; ++i) {
    if (i > 0) text += "+-*"[random.below(3)];
    if (i == bracketed) text += '(';
    text += static_cast<char>('0' + random.below(10));
    if (i == bracketed + 1) text += ')';
  }
  return text;
}

RenderedExpression render_expression(const ExpressionOptions& options, std::uint64_t index) {
  Random random(options.seed, index);
  RenderedExpression result{draw_expression(options, random), {}};
  const Palette palette = choose_palette(random);
  Image image = draw_text_line(result.text, options, palette, random);
  const int specks = options.specks * options.width / 180 * options.height / 60;
  draw_specks(image, random.integer(specks - specks / 4, specks + specks / 4), palette.ink, random);
  result.image = smoothed(image);
  return result;
}

}  // namespace tapeline
