#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "models/image/path.h"
#include "models/synth/expressions.h"
#include "models/synth/glyph_cell.h"
#include "models/synth/glyphs.h"
#include "tests/errors.h"

using namespace tapeline;

namespace {

std::uint64_t fnv1a(const std::vector<std::uint8_t>& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  return hash;
}

/// expression = item { operator item }, item = digit | "(" digit operator digit ")". Returns the number of
/// operators, -1 for anything else.
int count_operators(const std::string& text) {
  std::size_t at = 0;
  int operators = 0, brackets = 0;
  const auto digit = [&] {
    return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) && ++at;
  };
  const auto one_of = [&](std::string_view set) {
    return at < text.size() && set.find(text[at]) != set.npos && ++at;
  };
  do {
    if (at > 0) ++operators;
    if (one_of("(")) {
      if (++brackets > 1 || !digit() || !one_of("+-*") || !digit() || !one_of(")")) return -1;
      ++operators;
    } else if (!digit()) {
      return -1;
    }
  } while (one_of("+-*"));
  return at == text.size() ? operators : -1;
}

std::string error_of_options(std::string_view options) {
  return error_of([&] { parse_expression_options(options); });
}

}  // namespace

TEST_CASE("texts follow the grammar and hold every character") {
  for (const auto& [low, high] : {std::pair{2, 2}, std::pair{3, 3}, std::pair{1, 3}}) {
    ExpressionOptions options;
    options.min_operators = low;
    options.max_operators = high;
    std::map<char, int> characters;
    std::set<int> counts;
    int with_brackets = 0;
    for (int i = 0; i < 4000; ++i) {
      Random random(5, i);
      const std::string text = draw_expression(options, random);
      const int operators = count_operators(text);
      REQUIRE_MESSAGE((operators >= low && operators <= high), text);
      counts.insert(operators);
      for (const char c : text) ++characters[c];
      with_brackets += text.find('(') != text.npos;
    }
    CHECK(characters.size() == kExpressionCharacters.size());
    CHECK(counts.size() == static_cast<std::size_t>(high - low + 1));
    for (const char c : std::string("0123456789")) CHECK(characters[c] > 500);
    for (const char c : std::string("+-*")) CHECK(characters[c] > 1500);
    if (low > 1) CHECK(with_brackets / 4000.0 == doctest::Approx(options.brackets).epsilon(0.1));
  }
}

TEST_CASE("brackets never, or always and on either side") {
  ExpressionOptions options;
  std::set<std::size_t> places;
  for (int i = 0; i < 100; ++i) {
    Random never(1, i), always(2, i);
    options.brackets = 0;
    CHECK(draw_expression(options, never).size() == 5);
    options.brackets = 1;
    const std::string text = draw_expression(options, always);
    CHECK(text.size() == 7);
    places.insert(text.find('('));
  }
  CHECK(places == std::set<std::size_t>{0, 2});
}

TEST_CASE("a picture depends on seed and index alone") {
  const ExpressionOptions options{.seed = 7};
  std::vector<std::uint64_t> alone(24), threaded(24);
  for (int i = 0; i < 24; ++i) alone[i] = fnv1a(render_expression(options, i).image.pixels);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 23 - t; i >= 0; i -= 3) threaded[i] = fnv1a(render_expression(options, i).image.pixels);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(alone == threaded);
  CHECK(std::set(alone.begin(), alone.end()).size() == alone.size());

  const ExpressionOptions other{.seed = 8};
  int same_text = 0;
  for (int i = 0; i < 24; ++i) {
    const RenderedExpression rendered = render_expression(other, i);
    CHECK(fnv1a(rendered.image.pixels) != alone[i]);
    same_text += rendered.text == render_expression(options, i).text;
  }
  CHECK(same_text < 3);
  const std::uint64_t far = std::uint64_t{1} << 40;
  CHECK(fnv1a(render_expression(options, far).image.pixels) != alone[0]);
}

// The same bytes from every compiler: only + - * / and square roots are used, which IEEE 754 defines to the
// last bit. What could change them is a fused multiply-add, so these files must not be built with
// -ffast-math, nor with -ffp-contract=fast on a processor that has one.
TEST_CASE("pictures are the same on every machine") {
  const auto hash = [](std::string_view options, std::uint64_t index) {
    const RenderedExpression rendered = render_expression(parse_expression_options(options), index);
    return std::pair(rendered.text, fnv1a(rendered.image.pixels));
  };
  CHECK(hash("seed=7", 0) == std::pair(std::string("1+4*1"), std::uint64_t{0x867bb0ef095b3dd3}));
  CHECK(hash("seed=7", 1000000) == std::pair(std::string("0-(1+0)"), std::uint64_t{0x2a5e18948a69312e}));
  CHECK(hash("seed=3&operators=3&brackets=1&width=200&height=64", 5) ==
        std::pair(std::string("(8-8)+5*1"), std::uint64_t{0x15c908d89e3dd7f0}));
}

TEST_CASE("pictures have dark text from the left edge on light paper, in the size asked for") {
  for (const auto& [width, height] : {std::pair{180, 60}, std::pair{32, 16}, std::pair{300, 100}}) {
    ExpressionOptions options{.seed = 4, .width = width, .height = height};
    for (int i = 0; i < 20; ++i) {
      const Image image = render_expression(options, i).image;
      REQUIRE(image.width == width);
      REQUIRE(image.height == height);
      REQUIRE(image.channels == 3);
      // The paper: the most frequent value, which is light.
      std::map<int, int> green;
      for (std::size_t p = 1; p < image.pixels.size(); p += 3) ++green[image.pixels[p]];
      const auto paper = std::max_element(green.begin(), green.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
      CHECK(paper->first >= 238);
      int inked = 0;
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width / 2; ++x) {
          const std::uint8_t* p = image.at(x, y);
          inked += std::min({p[0], p[1], p[2]}) < 225;
        }
      CHECK(inked > width * height / 2 / 10);
    }
  }
}

TEST_CASE("every hand draws every character inside its box") {
  std::set<std::string_view> names;
  for (const GlyphDesign& design : glyph_designs()) {
    names.insert(design.name);
    CHECK(design.nib_x * design.nib_x + design.nib_y * design.nib_y == doctest::Approx(1).epsilon(0.02));
    for (std::size_t i = 0; i < design.paths.size(); ++i) {
      const auto lines = parse_path(design.paths[i]);
      REQUIRE_MESSAGE(!lines.empty(), design.name << " has no " << kExpressionCharacters[i]);
      for (const Polyline& line : lines)
        for (const Point p : line) {
          CHECK_MESSAGE((p.x >= -10 && p.x <= 65), design.name << " " << kExpressionCharacters[i]);
          CHECK_MESSAGE((p.y >= -12 && p.y <= 125), design.name << " " << kExpressionCharacters[i]);
        }
      // A plus has two lines, an asterisk five or six arms: never the same number.
      if (kExpressionCharacters[i] == '+') CHECK(lines.size() == 2);
      if (kExpressionCharacters[i] == '*') CHECK((lines.size() == 5 || lines.size() == 3));
    }
  }
  CHECK(names.size() == glyph_designs().size());
  CHECK(names.size() >= 5);
}

TEST_CASE("the cell of a character is mostly neither empty nor full") {
  for (const char character : kExpressionCharacters)
    for (int i = 0; i < 40; ++i) {
      Random random(9, i);
      const Mask cell = draw_glyph_cell(character, 50, random);
      double sum = 0;
      for (const float value : cell.coverage) sum += value;
      const double share = sum / static_cast<double>(cell.coverage.size());
      CHECK_MESSAGE((share > 0.12 && share < 0.9), character << " " << i << ": " << share);
    }
}

TEST_CASE("options") {
  const ExpressionOptions plain = parse_expression_options("");
  CHECK(plain.min_operators == 2);
  CHECK(plain.max_operators == 2);
  const ExpressionOptions options = parse_expression_options(
      "seed=18446744073709551615&operators=2-3&brackets=0.25&width=200&height=64&specks=0");
  CHECK(options.seed == ~std::uint64_t{0});
  CHECK(options.min_operators == 2);
  CHECK(options.max_operators == 3);
  CHECK(options.brackets == 0.25f);
  CHECK(options.width == 200);
  CHECK(options.height == 64);
  CHECK(options.specks == 0);
  CHECK(parse_expression_options("operators=3").min_operators == 3);

  CHECK(error_of_options("colour=red").find("unknown option \"colour\" (known: seed, operators") !=
        std::string::npos);
  CHECK(error_of_options("seed").find("\"seed\" is not NAME=VALUE") != std::string::npos);
  for (const std::string_view bad :
       {"seed=", "seed=-1", "seed=x", "seed=18446744073709551616", "operators=0", "operators=9",
        "operators=3-2", "operators=2-", "operators=-", "brackets=1.5", "brackets=nan", "width=0",
        "width=99999999999", "height=60px", "specks=-1"}) {
    const std::string name(bad.substr(0, bad.find('=')));
    CHECK_MESSAGE(error_of_options(bad).find(name) != std::string::npos, bad);
  }
  CHECK(!error_of_options("seed=1&&width=100").empty());
}
