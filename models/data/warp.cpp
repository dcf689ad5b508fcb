#include "models/data/warp.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "models/data/paper.h"

namespace tapeline {
namespace {

struct Point {
  float x, y;
};

/// Where in the original a point of the result comes from. Coordinates are relative to the middle of the
/// image.
class Projection {
 public:
  Projection(int width, int height, Random& random, const AugmentOptions& options) {
    const auto draw = [&](float limit) { return random.uniform(-limit, limit); };
    const float angle = draw(options.rotate) * std::numbers::pi_v<float> / 180.0f;
    const float shear = draw(options.shear), size = 1 + draw(options.scale),
                stretch = 1 + draw(options.stretch);
    shift_ = {draw(options.shift) * static_cast<float>(width),
              draw(options.shift) * static_cast<float>(height)};
    tilt_ = {draw(options.perspective) * 2 / static_cast<float>(width),
             draw(options.perspective) * .5f * 2 / static_cast<float>(height)};
    const float cosine = std::cos(angle), sine = std::sin(angle);
    xx_ = cosine / (size * stretch);
    xy_ = (sine + shear * cosine) / (size * stretch);
    yx_ = -sine / size;
    yy_ = (cosine - shear * sine) / size;
  }

  Point source(float x, float y) const {
    const float depth = std::max(1 + tilt_.x * x + tilt_.y * y, .05f);
    const float px = (x - shift_.x) / depth, py = (y - shift_.y) / depth;
    return {xx_ * px + xy_ * py, yx_ * px + yy_ * py};
  }

 private:
  float xx_, xy_, yx_, yy_;
  Point shift_, tilt_;
};

/// Random vectors on a coarse grid, blended with a smooth weight between its points.
class Displacement {
 public:
  Displacement(int width, int height, Random& random, float limit)
      : spacing_(static_cast<float>(height) * .4f + 1) {
    columns_ = static_cast<int>(static_cast<float>(width) / spacing_) + 2;
    const int rows = static_cast<int>(static_cast<float>(height) / spacing_) + 2;
    vectors_.resize(static_cast<std::size_t>(columns_) * rows);
    const float reach = random.uniform(0, limit) * static_cast<float>(height);
    for (Point& vector : vectors_) vector = {random.uniform(-reach, reach), random.uniform(-reach, reach)};
  }

  Point at(int x, int y) const {
    const float u = static_cast<float>(x) / spacing_, v = static_cast<float>(y) / spacing_;
    const int column = static_cast<int>(u), row = static_cast<int>(v);
    const float s = smooth(u - static_cast<float>(column)), t = smooth(v - static_cast<float>(row));
    const Point* top = &vectors_[static_cast<std::size_t>(row) * columns_ + column];
    const Point* bottom = top + columns_;
    return {blend(blend(top[0].x, top[1].x, s), blend(bottom[0].x, bottom[1].x, s), t),
            blend(blend(top[0].y, top[1].y, s), blend(bottom[0].y, bottom[1].y, s), t)};
  }

 private:
  static float smooth(float t) { return t * t * (3 - 2 * t); }
  static float blend(float a, float b, float t) { return a + t * (b - a); }

  float spacing_;
  int columns_;
  std::vector<Point> vectors_;
};

void sample(const Image& image, const Paper& paper, Point from, std::uint8_t* out) {
  const float left = std::floor(from.x), top = std::floor(from.y);
  const int x = static_cast<int>(left), y = static_cast<int>(top);
  const float s = from.x - left, t = from.y - top;
  if (x >= 0 && y >= 0 && x + 1 < image.width && y + 1 < image.height) {
    const std::uint8_t* a = image.at(x, y);
    const std::uint8_t* b = image.at(x, y + 1);
    const int n = image.channels;
    for (int c = 0; c < n; ++c) {
      const float upper = a[c] + s * static_cast<float>(a[c + n] - a[c]);
      const float lower = b[c] + s * static_cast<float>(b[c + n] - b[c]);
      out[c] = static_cast<std::uint8_t>(upper + t * (lower - upper) + .5f);
    }
    return;
  }
  const bool on_image = from.x > -.5f && from.y > -.5f && from.x < static_cast<float>(image.width) - .5f &&
                        from.y < static_cast<float>(image.height) - .5f;
  if (on_image) {
    const auto* nearest = image.at(std::clamp(x + (s >= .5f), 0, image.width - 1),
                                   std::clamp(y + (t >= .5f), 0, image.height - 1));
    std::copy_n(nearest, image.channels, out);
  } else {
    const Colour colour = paper.at(from.x, from.y);
    for (int c = 0; c < image.channels; ++c)
      out[c] = static_cast<std::uint8_t>(colour[static_cast<std::size_t>(c)] + .5f);
  }
}

}  // namespace

Image warp(const Image& image, Random& random, const AugmentOptions& options) {
  const Paper paper(image);
  const Projection projection(image.width, image.height, random, options);
  const Displacement displacement(image.width, image.height, random, options.elastic);
  const float middle_x = static_cast<float>(image.width - 1) / 2,
              middle_y = static_cast<float>(image.height - 1) / 2;
  // Far outside all is paper; the bound keeps the conversion to int defined.
  const float far_x = 2.0f * static_cast<float>(image.width), far_y = 2.0f * static_cast<float>(image.height);
  Image result(image.width, image.height, image.channels);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const Point moved = displacement.at(x, y);
      Point from = projection.source(static_cast<float>(x) - middle_x + moved.x,
                                     static_cast<float>(y) - middle_y + moved.y);
      from = {std::clamp(from.x + middle_x, -far_x, far_x), std::clamp(from.y + middle_y, -far_y, far_y)};
      sample(image, paper, from, result.at(x, y));
    }
  return result;
}

}  // namespace tapeline
