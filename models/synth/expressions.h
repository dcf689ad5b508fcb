#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/random.h"
#include "models/image/image.h"

namespace tapeline {

/// What rendered arithmetic captchas look like.
struct ExpressionOptions {
  std::uint64_t seed = 1;
  int min_operators = 2, max_operators = 2;  // 1 to 5
  float brackets = 0.4f;                     // probability that one operation stands in brackets
  int width = 180, height = 60;              // pixels; characters grow with the height
  int specks = 15;                           // on average, in a picture of the usual size
};

struct RenderedExpression {
  std::string text;  // such as "3+(7*9)"
  Image image;       // RGB, options.width x options.height
};

/// Reads "seed=7&operators=2-3&brackets=0.5&width=180&height=60&specks=15"; what is not named keeps its
/// default. An Error names the option and lists the known ones.
ExpressionOptions parse_expression_options(std::string_view text);

/// Operands 0-9 joined by + - *; at most one pair of brackets, around one operation (never around
/// everything).
std::string draw_expression(const ExpressionOptions& options, Random& random);

/// The picture number `index`: a pure function of the options and the index, so that threads may render in
/// any order.
RenderedExpression render_expression(const ExpressionOptions& options, std::uint64_t index);

}  // namespace tapeline
