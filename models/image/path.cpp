#include "models/image/path.h"

#include <array>

#include "engine/error.h"

namespace tapeline {

namespace {

class PathReader {
 public:
  explicit PathReader(std::string_view path) : path_(path), rest_(path) {}

  bool done() {
    skip_blanks();
    return rest_.empty();
  }

  char command() {
    const char letter = rest_.front();
    rest_.remove_prefix(1);
    return letter;
  }

  Point point() {
    const float x = number();
    return {x, number()};
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw Error("path \"{}\", character {}: {} (M, L, Q, C and Z with numbers are known)", path_,
                path_.size() - rest_.size() + 1, what);
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == ',')) rest_.remove_prefix(1);
  }

  /// By hand: std::from_chars for float is missing from some libraries.
  float number() {
    skip_blanks();
    const char* at = rest_.data();
    const char* const end = at + rest_.size();
    const bool negative = at != end && *at == '-';
    if (negative) ++at;
    int digits = 0, whole = 0, scale = 1;
    bool fraction = false;
    for (; at != end && ((*at >= '0' && *at <= '9') || (*at == '.' && !fraction)); ++at) {
      if (*at == '.') {
        fraction = true;
        continue;
      }
      if (++digits > 7) fail("more than seven digits");
      whole = whole * 10 + (*at - '0');
      if (fraction) scale *= 10;
    }
    if (digits == 0) fail("a number is missing");
    rest_.remove_prefix(at - rest_.data());
    return static_cast<float>(negative ? -whole : whole) / static_cast<float>(scale);
  }

  std::string_view path_, rest_;
};

/// de Casteljau, for any number of control points.
template <std::size_t count>
Point bezier(std::array<Point, count> p, float t) {
  for (std::size_t left = count - 1; left > 0; --left)
    for (std::size_t i = 0; i < left; ++i)
      p[i] = {p[i].x + t * (p[i + 1].x - p[i].x), p[i].y + t * (p[i + 1].y - p[i].y)};
  return p[0];
}

template <std::size_t count>
void append_curve(Polyline& line, const std::array<Point, count>& control, int steps) {
  for (int i = 1; i <= steps; ++i)
    line.push_back(bezier(control, static_cast<float>(i) / static_cast<float>(steps)));
}

}  // namespace

std::vector<Polyline> parse_path(std::string_view path, int steps) {
  std::vector<Polyline> lines;
  PathReader reader(path);
  while (!reader.done()) {
    const char command = reader.command();
    if (command == 'M') {
      lines.push_back({reader.point()});
      continue;
    }
    if (lines.empty()) reader.fail("a path begins with M");
    Polyline& line = lines.back();
    const Point from = line.back();
    if (command == 'L') {
      line.push_back(reader.point());
    } else if (command == 'Q') {
      const Point control = reader.point();
      append_curve(line, std::array{from, control, reader.point()}, steps);
    } else if (command == 'C') {
      const Point first = reader.point(), second = reader.point();
      append_curve(line, std::array{from, first, second, reader.point()}, steps);
    } else if (command == 'Z') {
      line.push_back(line.front());
    } else {
      reader.fail("unknown command");
    }
  }
  return lines;
}

}  // namespace tapeline
