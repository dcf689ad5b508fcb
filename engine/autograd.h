#pragma once

// The tape. An op that has to be undone makes a Node, which keeps what its backward needs and knows its
// inputs; backward() visits the nodes from the last made to the first, without recursion, and drops each as
// soon as it has been used.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/tensor.h"

namespace tapeline {

/// What the tape knows of a tensor: a leaf that wants a gradient, or the result of a node.
struct Autograd {
  bool requires_grad = false;
  bool used = false;              // backward() has been through here: the creator is gone
  std::shared_ptr<Node> creator;  // null for a leaf
  Tensor grad;                    // leaves only
};

/// One differentiable operation with one differentiable output. Keep saved operands as Views, never as
/// Tensors of the node's own output (that would be a cycle).
class Node {
 public:
  virtual ~Node();
  virtual std::string_view name() const = 0;
  /// The gradients in the inputs, in their order, given that in the output. Those for which needs(i) is false
  /// may be left undefined, and should cost nothing.
  virtual std::vector<Tensor> backward(const Tensor& grad_output) = 0;

 protected:
  bool needs(std::size_t input) const { return inputs_[input] && inputs_[input]->requires_grad; }

 private:
  friend Tensor attach(View, const std::vector<Tensor>&, std::shared_ptr<Node>);
  friend class Tensor;
  std::vector<std::shared_ptr<Autograd>> inputs_;
  std::uint64_t sequence_ = 0;
};

/// Whether ops leave nodes behind on this thread.
bool grad_enabled();

/// No tape while one of these lives.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// Whether an op over these inputs has to keep what its backward needs.
bool wants_grad(const std::vector<Tensor>& inputs);

/// The op's result: `output`, with `node` on the tape where wants_grad(inputs), and without otherwise (node
/// may be null).
Tensor attach(View output, const std::vector<Tensor>& inputs, std::shared_ptr<Node> node);

}  // namespace tapeline
