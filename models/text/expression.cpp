#include "models/text/expression.h"

#include "engine/error.h"

namespace tapeline {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::int64_t parse() {
    const std::int64_t value = sum();
    peek();
    if (at_ < text_.size()) fail("expected an operator");
    return value;
  }

 private:
  static constexpr int kMaxDepth = 64;

  /// The next character that is no space; 0 at the end.
  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  [[noreturn]] void fail(std::string_view why) const {
    throw Error("expression \"{}\", column {}: {}", text_, at_ + 1, why);
  }

  void check_fits(bool overflow) const {
    if (overflow) fail("the value does not fit into 64 bits");
  }

  std::int64_t sum() {
    std::int64_t value = product();
    for (char op = peek(); op == '+' || op == '-'; op = peek()) {
      ++at_;
      const std::int64_t right = product();
      check_fits(op == '+' ? __builtin_add_overflow(value, right, &value)
                           : __builtin_sub_overflow(value, right, &value));
    }
    return value;
  }

  std::int64_t product() {
    std::int64_t value = operand();
    while (peek() == '*') {
      ++at_;
      check_fits(__builtin_mul_overflow(value, operand(), &value));
    }
    return value;
  }

  std::int64_t operand() {
    if (peek() != '(') return number();
    if (++depth_ > kMaxDepth) fail(fmt::format("brackets are nested deeper than {}", kMaxDepth));
    ++at_;
    const std::int64_t value = sum();
    if (peek() != ')') fail("expected an operator or ')'");
    ++at_;
    --depth_;
    return value;
  }

  std::int64_t number() {
    const auto is_digit = [&] { return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; };
    if (!is_digit()) fail("expected a number or '('");
    std::int64_t value = 0;
    for (; is_digit(); ++at_) {
      check_fits(__builtin_mul_overflow(value, 10, &value));
      check_fits(__builtin_add_overflow(value, text_[at_] - '0', &value));
    }
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::int64_t evaluate_expression(std::string_view expression) { return Parser(expression).parse(); }

}  // namespace tapeline
