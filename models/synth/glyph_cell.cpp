// One character: path -> turned, wobbled strokes -> coverage -> stretched to its cell and warped by a random
// quadrilateral, taking the nearest pixel. Only + - * / and square roots, so that every machine draws the
// same.

#include "models/synth/glyph_cell.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "models/synth/glyphs.h"

namespace tapeline {

namespace {

/// Height of a digit in units of the font size.
constexpr float kDigitHeight = 0.715f;

struct Range {
  float low, high;
  float draw(Random& random) const { return random.uniform(low, high); }
};

struct Metrics {
  Range width, height;  // of the cell, in units of the font size
  float turn;           // at most this, as the tangent of half the angle
};

constexpr float kTurn30 = 0.26795f, kTurn36 = 0.32492f, kTurn45 = 0.41421f;

Metrics metrics_of(char character) {
  switch (character) {
    case '+':
      return {{0.26f, 0.44f}, {0.58f, 0.86f}, kTurn45};
    case '*':
      return {{0.32f, 0.46f}, {0.54f, 0.84f}, kTurn36};
    case '-':
      return {{0.33f, 0.33f}, {0.10f, 0.10f}, 0.17f};
    case '(':
    case ')':
      return {{0.22f, 0.30f}, {0.94f, 1.02f}, 0.2f};
    case '1':
      return {{0.36f, 0.36f}, {0.80f, 0.96f}, 0.15f};
    case '7':
      return {{0.36f, 0.54f}, {0.74f, 0.96f}, 0.3f};
    default:
      return {{0.42f, 0.56f}, {0.80f, 0.96f}, kTurn30};
  }
}

/// In all hands alike: the plus is fat, and the arms of the asterisk have to stay apart.
Range symbol_pen(char character) {
  switch (character) {
    case '+':
      return {15, 19};
    case '*':
      return {10.5f, 17};
    default:
      return {10, 13};
  }
}

const GlyphDesign& choose_design(Random& random) {
  float total = 0;
  for (const GlyphDesign& design : glyph_designs()) total += design.weight;
  float rest = random.uniform() * total;
  for (const GlyphDesign& design : glyph_designs())
    if ((rest -= design.weight) < 0) return design;
  return glyph_designs().back();
}

/// Paths of all designs, parsed once.
const std::vector<Polyline>& strokes_of(const GlyphDesign& design, std::size_t character) {
  static const auto all = [] {
    std::vector<std::array<std::vector<Polyline>, kExpressionCharacters.size()>> parsed;
    for (const GlyphDesign& each : glyph_designs()) {
      parsed.emplace_back();
      for (std::size_t i = 0; i < each.paths.size(); ++i) parsed.back()[i] = parse_path(each.paths[i], 6);
    }
    return parsed;
  }();
  return all[&design - glyph_designs().data()][character];
}

/// A smooth random displacement: a grid of 3 x 3 random vectors over the glyph's box, interpolated.
class Wobble {
 public:
  Wobble(float amount, Random& random) {
    for (Point& point : grid_) point = {random.uniform(-amount, amount), random.uniform(-amount, amount)};
  }

  Point moved(Point point) const {
    const float gx = std::clamp(point.x / 30, 0.0f, 1.999f), gy = std::clamp(point.y / 50, 0.0f, 1.999f);
    const int column = static_cast<int>(gx), row = static_cast<int>(gy);
    const float fx = gx - static_cast<float>(column), fy = gy - static_cast<float>(row);
    const Point* corner = &grid_[row * 3 + column];
    const float a = (1 - fx) * (1 - fy), b = fx * (1 - fy), c = (1 - fx) * fy, d = fx * fy;
    return {point.x + a * corner[0].x + b * corner[1].x + c * corner[3].x + d * corner[4].x,
            point.y + a * corner[0].y + b * corner[1].y + c * corner[3].y + d * corner[4].y};
  }

 private:
  Point grid_[9];
};

/// A turn by twice the angle whose tangent is given, after a slant.
struct Turn {
  float cosine, sine, slant;

  Turn(float half_tangent, float slant)
      : cosine((1 - half_tangent * half_tangent) / (1 + half_tangent * half_tangent)),
        sine(2 * half_tangent / (1 + half_tangent * half_tangent)),
        slant(slant) {}

  Point operator()(Point p) const {
    const float x = p.x - slant * p.y;
    return {cosine * x - sine * p.y, sine * x + cosine * p.y};
  }
};

/// Radius of the pen at each point of a line: thin along the nib.
std::vector<PenPoint> inked(const Polyline& line, const GlyphDesign& design, float radius) {
  std::vector<PenPoint> pen;
  pen.reserve(line.size());
  for (std::size_t i = 0; i < line.size(); ++i) {
    const Point before = line[i == 0 ? 0 : i - 1], after = line[std::min(i + 1, line.size() - 1)];
    const float dx = after.x - before.x, dy = after.y - before.y;
    const float length = std::sqrt(dx * dx + dy * dy);
    const float across = length > 0 ? std::abs(dx * design.nib_y - dy * design.nib_x) / length : 1;
    pen.push_back({line[i].x, line[i].y, radius * (1 - design.contrast * (1 - across))});
  }
  return pen;
}

struct Bounds {
  float left = std::numeric_limits<float>::max(), top = left, right = -left, bottom = -left;

  void include(const PenPoint& p) {
    left = std::min(left, p.x - p.radius);
    top = std::min(top, p.y - p.radius);
    right = std::max(right, p.x + p.radius);
    bottom = std::max(bottom, p.y + p.radius);
  }
};

/// The character upright in no cell yet: exactly as large as its ink.
Mask draw_ink(char character, float size, float half_tangent, Random& random) {
  const GlyphDesign& design = choose_design(random);
  const std::size_t index = kExpressionCharacters.find(character);
  const bool symbol = index >= 10;
  const float unit = size * kDigitHeight / 100;
  const Wobble wobble(design.wobble, random);
  const Turn turn(half_tangent, symbol ? 0 : random.uniform(-0.08f, 0.12f));
  const float pen = symbol ? symbol_pen(character).draw(random) : design.pen * random.uniform(0.85f, 1.1f);

  std::vector<std::vector<PenPoint>> lines;
  Bounds bounds;
  for (const Polyline& path : strokes_of(design, index)) {
    Polyline line;
    line.reserve(path.size());
    for (const Point point : path) {
      const Point turned = turn(wobble.moved(point));
      line.push_back({turned.x * unit, turned.y * unit});
    }
    lines.push_back(inked(line, design, pen * unit / 2));
    for (const PenPoint& point : lines.back()) bounds.include(point);
  }

  Mask mask(std::max(1, static_cast<int>(bounds.right - bounds.left + 0.5f)),
            std::max(1, static_cast<int>(bounds.bottom - bounds.top + 0.5f)));
  for (std::vector<PenPoint>& line : lines) {
    for (PenPoint& point : line) {
      point.x -= bounds.left;
      point.y -= bounds.top;
    }
    stroke(mask, line);
  }
  return mask;
}

/// Takes a `width` x `height` cell out of the ink stretched to a somewhat larger one, whose corners are moved
/// by up to (reach_x, reach_y): each pixel of the cell is the nearest one of the ink.
Mask warped(const Mask& ink, int width, int height, float reach_x, float reach_y, Random& random) {
  const float x1 = random.uniform(-reach_x, reach_x), y1 = random.uniform(-reach_y, reach_y);
  const float x2 = random.uniform(-reach_x, reach_x), y2 = random.uniform(-reach_y, reach_y);
  const float wide = static_cast<float>(width) + std::abs(x1) + std::abs(x2);
  const float high = static_cast<float>(height) + std::abs(y1) + std::abs(y2);
  const Point top_left{x1, y1}, bottom_left{-x1, high - y2}, bottom_right{wide + x2, high + y2},
      top_right{wide - x2, -y1};
  const float to_ink_x = static_cast<float>(ink.width) / wide,
              to_ink_y = static_cast<float>(ink.height) / high;

  Mask cell(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const float u = (static_cast<float>(x) + 0.5f) / static_cast<float>(width);
      const float v = (static_cast<float>(y) + 0.5f) / static_cast<float>(height);
      const float a = (1 - u) * (1 - v), b = u * (1 - v), c = (1 - u) * v, d = u * v;
      const float sx = (a * top_left.x + b * top_right.x + c * bottom_left.x + d * bottom_right.x) * to_ink_x;
      const float sy = (a * top_left.y + b * top_right.y + c * bottom_left.y + d * bottom_right.y) * to_ink_y;
      if (sx < 0 || sy < 0 || sx >= static_cast<float>(ink.width) || sy >= static_cast<float>(ink.height))
        continue;
      cell.coverage[static_cast<std::size_t>(y) * width + x] =
          ink.at(static_cast<int>(sx), static_cast<int>(sy));
    }
  return cell;
}

Mask with_margin(const Mask& ink, int left, int right) {
  Mask cell(left + ink.width + right, ink.height);
  for (int y = 0; y < ink.height; ++y)
    std::copy_n(&ink.coverage[static_cast<std::size_t>(y) * ink.width], ink.width,
                &cell.coverage[static_cast<std::size_t>(y) * cell.width + left]);
  return cell;
}

}  // namespace

Mask draw_glyph_cell(char character, float size, Random& random) {
  const Metrics metrics = metrics_of(character);
  // A plus and an asterisk come at every angle. Of the others, small turns are common and the largest rare.
  // (Draws are statements of their own: the order in which arguments are evaluated is left to the compiler.)
  const bool star = character == '*' || character == '+';
  const float turn = random.uniform(-metrics.turn, metrics.turn);
  const float more = random.uniform(-metrics.turn, metrics.turn);
  const Mask ink = draw_ink(character, size, star ? turn : (turn + more) / 2, random);
  if (character == '-') {
    const int left = random.integer(0, 5), right = random.integer(0, 5);
    return with_margin(ink, left, right);
  }

  // What is narrow, like a 1 without a foot, would become a block.
  const float width = std::min(metrics.width.draw(random) * size, 1.35f * static_cast<float>(ink.width));
  const float height = metrics.height.draw(random) * size;
  // The arms of a plus and of an asterisk are what tells them apart: none may be cut off.
  const float reach = star ? 0.5f : 1;
  const float reach_x = reach * width * random.uniform(0.08f, 0.28f);
  const float reach_y = reach * height * random.uniform(0.15f, 0.28f);
  return warped(ink, static_cast<int>(width + 0.5f), static_cast<int>(height + 0.5f), reach_x, reach_y,
                random);
}

}  // namespace tapeline
