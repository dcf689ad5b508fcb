#include "engine/ops/matmul.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/program.h"

namespace tapeline {
namespace {

Tensor product(const View& a, const View& b, bool transpose_a, bool transpose_b) {
  const std::int64_t rows = a.shape[transpose_a ? 1 : 0];
  const std::int64_t columns = b.shape[transpose_b ? 0 : 1];
  const Tensor c = Tensor::empty(a.storage->backend, {rows, columns}, a.dtype);
  submit(Gemm{.a = a,
              .b = b,
              .bias = {},
              .c = c.view(),
              .rows = rows,
              .columns = columns,
              .inner = a.shape[transpose_a ? 0 : 1],
              .transpose_a = transpose_a,
              .transpose_b = transpose_b,
              .activation = {}});
  return c;
}

// With A = op(a) and B = op(b): dA = G B', dB = A' G; a transposed operand gets the transposed product.
struct MatmulNode final : Node {
  View a, b;
  bool transpose_a = false, transpose_b = false;

  std::string_view name() const override { return "matmul"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    const View& g = grad_output.view();
    Tensor grad_a, grad_b;
    if (needs(0))
      grad_a = transpose_a ? product(b, g, transpose_b, true) : product(g, b, false, !transpose_b);
    if (needs(1))
      grad_b = transpose_b ? product(g, a, true, transpose_a) : product(a, g, !transpose_a, false);
    return {grad_a, grad_b};
  }
};

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  check_float("matmul", "a", a);
  check_rank("matmul", "a", a, 2, "a matrix");
  check_like("matmul", "b", b, a);
  check_rank("matmul", "b", b, 2, "a matrix");
  if (a.extent(transpose_a ? 0 : 1) != b.extent(transpose_b ? 1 : 0))
    throw Error("matmul: the inner extents of a {}{} and b {}{} differ", a.shape().text(),
                transpose_a ? " (transposed)" : "", b.shape().text(), transpose_b ? " (transposed)" : "");
  const Tensor output = product(a.view(), b.view(), transpose_a, transpose_b);
  if (!wants_grad({a, b})) return output;

  auto node = std::make_shared<MatmulNode>();
  node->a = a.view();
  node->b = b.view();
  node->transpose_a = transpose_a;
  node->transpose_b = transpose_b;
  return attach(output.view(), {a, b}, std::move(node));
}

}  // namespace tapeline
