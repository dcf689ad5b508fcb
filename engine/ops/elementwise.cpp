#include "engine/ops/elementwise.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/ops/expand.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct BinaryNode final : Node {
  BinaryKind kind = BinaryKind::add;
  View a, b;

  std::string_view name() const override { return "binary"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    return {needs(0) ? sum_to(towards_a(grad_output), a.shape) : Tensor(),
            needs(1) ? sum_to(towards_b(grad_output), b.shape) : Tensor()};
  }

 private:
  Tensor towards_a(const Tensor& g) const {
    switch (kind) {
      case BinaryKind::add:
      case BinaryKind::subtract:
        return g;
      case BinaryKind::multiply:
        return g * Tensor(b);
      case BinaryKind::divide:
        return g / Tensor(b);
      case BinaryKind::maximum:
        return g * share(a, b);
      case BinaryKind::minimum:
        return g * share(b, a);
    }
    return {};
  }

  Tensor towards_b(const Tensor& g) const {
    switch (kind) {
      case BinaryKind::add:
        return g;
      case BinaryKind::subtract:
        return -g;
      case BinaryKind::multiply:
        return g * Tensor(a);
      case BinaryKind::divide:
        return -(g * Tensor(a)) / square(Tensor(b));
      case BinaryKind::maximum:
        return g * share(b, a);
      case BinaryKind::minimum:
        return g * share(a, b);
    }
    return {};
  }

  // 1 where `large` is the larger one, 1/2 where they are equal, 0 elsewhere.
  static Tensor share(const View& large, const View& small) {
    return scale(sign(Tensor(large) - Tensor(small)), 0.5, 0.5);
  }
};

Tensor binary(const char* op, BinaryKind kind, const Tensor& a, const Tensor& b) {
  check_float(op, "the first operand", a);
  check_like(op, "the second operand", b, a);
  const Tensor output = Tensor::empty(a.device(), broadcast(a.shape(), b.shape(), op), a.dtype());
  submit(Binary{.a = a.view(), .b = b.view(), .output = output.view(), .kind = kind});
  if (!wants_grad({a, b})) return output;

  auto node = std::make_shared<BinaryNode>();
  node->kind = kind;
  node->a = a.view();
  node->b = b.view();
  return attach(output.view(), {a, b}, std::move(node));
}

// Keeps the input or the output, whichever the derivative is shorter in.
struct UnaryNode final : Node {
  UnaryKind kind = UnaryKind::affine;
  double factor = 1;
  View input, output;

  std::string_view name() const override { return "unary"; }

  std::vector<Tensor> backward(const Tensor& g) override {
    const Tensor x(input), y(output);
    switch (kind) {
      case UnaryKind::affine:
        return {g * factor};
      case UnaryKind::exp:
        return {g * y};
      case UnaryKind::log:
        return {g / x};
      case UnaryKind::sqrt:
        return {g / y * 0.5};
      case UnaryKind::square:
        return {g * x * 2};
      case UnaryKind::reciprocal:
        return {-g * square(y)};
      case UnaryKind::abs:
        return {g * tapeline::sign(x)};
      case UnaryKind::sign:
        break;
    }
    return {};
  }
};

Tensor unary(const char* op, UnaryKind kind, const Tensor& x, double factor = 1, double offset = 0) {
  check_float(op, "x", x);
  const Tensor output = Tensor::empty(x.device(), x.shape(), x.dtype());
  submit(Unary{.input = x.view(), .output = output.view(), .kind = kind, .scale = factor, .offset = offset});
  if (kind == UnaryKind::sign || !wants_grad({x})) return output;

  auto node = std::make_shared<UnaryNode>();
  node->kind = kind;
  node->factor = factor;
  if (kind == UnaryKind::log || kind == UnaryKind::square || kind == UnaryKind::abs) node->input = x.view();
  if (kind == UnaryKind::exp || kind == UnaryKind::sqrt || kind == UnaryKind::reciprocal)
    node->output = output.view();
  return attach(output.view(), {x}, std::move(node));
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return binary("add", BinaryKind::add, a, b); }
Tensor subtract(const Tensor& a, const Tensor& b) { return binary("subtract", BinaryKind::subtract, a, b); }
Tensor multiply(const Tensor& a, const Tensor& b) { return binary("multiply", BinaryKind::multiply, a, b); }
Tensor divide(const Tensor& a, const Tensor& b) { return binary("divide", BinaryKind::divide, a, b); }
Tensor maximum(const Tensor& a, const Tensor& b) { return binary("maximum", BinaryKind::maximum, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return binary("minimum", BinaryKind::minimum, a, b); }

Tensor scale(const Tensor& x, double factor, double offset) {
  return unary("scale", UnaryKind::affine, x, factor, offset);
}
Tensor exp(const Tensor& x) { return unary("exp", UnaryKind::exp, x); }
Tensor log(const Tensor& x) { return unary("log", UnaryKind::log, x); }
Tensor sqrt(const Tensor& x) { return unary("sqrt", UnaryKind::sqrt, x); }
Tensor square(const Tensor& x) { return unary("square", UnaryKind::square, x); }
Tensor reciprocal(const Tensor& x) { return unary("reciprocal", UnaryKind::reciprocal, x); }
Tensor abs(const Tensor& x) { return unary("abs", UnaryKind::abs, x); }
Tensor sign(const Tensor& x) { return unary("sign", UnaryKind::sign, x); }

}  // namespace tapeline
