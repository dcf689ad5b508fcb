#include "engine/autograd.h"

#include <functional>
#include <map>

#include "engine/program.h"

namespace tapeline {

namespace {

thread_local bool tape_is_on = true;
thread_local std::uint64_t next_sequence = 1;

Tensor sum_of(const Tensor& a, const Tensor& b) {
  Tensor sum = Tensor::empty(a.device(), a.shape(), a.dtype());
  submit(Binary{a.view(), b.view(), sum.view(), BinaryKind::add});
  return sum;
}

void add_into(Tensor& total, const Tensor& grad) { total = total ? sum_of(total, grad) : grad; }

}  // namespace

// A long tape would overflow the stack if each node destroyed the one before it, so the links are taken apart
// here.
Node::~Node() {
  std::vector<std::shared_ptr<Autograd>> links = std::move(inputs_);
  while (!links.empty()) {
    const std::shared_ptr<Autograd> link = std::move(links.back());
    links.pop_back();
    if (link && link.use_count() == 1 && link->creator && link->creator.use_count() == 1) {
      auto& further = link->creator->inputs_;
      links.insert(links.end(), std::make_move_iterator(further.begin()),
                   std::make_move_iterator(further.end()));
      further.clear();
    }
  }
}

bool grad_enabled() { return tape_is_on; }

NoGrad::NoGrad() : before_(std::exchange(tape_is_on, false)) {}
NoGrad::~NoGrad() { tape_is_on = before_; }

bool wants_grad(const std::vector<Tensor>& inputs) {
  if (!tape_is_on) return false;
  for (const Tensor& input : inputs)
    if (input.requires_grad()) return true;
  return false;
}

Tensor attach(View output, const std::vector<Tensor>& inputs, std::shared_ptr<Node> node) {
  Tensor result(std::move(output));
  if (!wants_grad(inputs)) return result;
  node->sequence_ = next_sequence++;
  for (const Tensor& input : inputs) node->inputs_.push_back(input.autograd());
  result.autograd_ = std::make_shared<Autograd>();
  result.autograd_->requires_grad = true;
  result.autograd_->creator = std::move(node);
  return result;
}

bool Tensor::requires_grad() const { return autograd_ && autograd_->requires_grad; }

Tensor& Tensor::set_requires_grad(bool wanted) {
  if (!defined() || !is_float(dtype()))
    throw Error("set_requires_grad: only a float tensor can have a gradient");
  if (autograd_ && (autograd_->creator || autograd_->used))
    throw Error("set_requires_grad: the tensor {} is the result of an op; detach() it first", shape().text());
  if (!autograd_) autograd_ = std::make_shared<Autograd>();
  autograd_->requires_grad = wanted;
  return *this;
}

Tensor Tensor::grad() const { return autograd_ ? autograd_->grad : Tensor(); }

void Tensor::set_grad(Tensor grad) const {
  if (!autograd_) throw Error("set_grad: the tensor wants no gradient; call set_requires_grad() first");
  autograd_->grad = std::move(grad);
}

void Tensor::backward(const Tensor& start) const {
  if (!requires_grad()) throw Error("backward: nothing that this tensor was made from wants a gradient");
  if (!start && elements() != 1)
    throw Error("backward: a tensor {} needs the gradient to start from; only one element has a default",
                shape().text());
  if (start && start.shape() != shape())
    throw Error("backward: the gradient {} does not have the shape {} of the tensor", start.shape().text(),
                shape().text());
  const NoGrad off;

  struct Pending {
    std::shared_ptr<Autograd> at;
    Tensor grad;
  };
  std::map<std::uint64_t, Pending, std::greater<>> pending;  // by sequence: the last made comes first
  const auto arrive = [&](const std::shared_ptr<Autograd>& at, const Tensor& grad) {
    if (at->used)
      throw Error(
          "backward: this part of the tape has been used up by an earlier backward(); run the forward again");
    if (!at->creator) return add_into(at->grad, grad);
    Pending& entry = pending[at->creator->sequence_];
    entry.at = at;
    add_into(entry.grad, grad);
  };

  arrive(autograd_, start ? start : full(device(), shape(), 1, dtype()));
  while (!pending.empty()) {
    Pending now = std::move(pending.begin()->second);
    pending.erase(pending.begin());
    const std::shared_ptr<Node> node = std::move(now.at->creator);
    now.at->used = true;
    const std::vector<Tensor> grads = node->backward(now.grad);
    if (grads.size() != node->inputs_.size())
      throw Error("{}: backward gave {} gradients for {} inputs", node->name(), grads.size(),
                  node->inputs_.size());
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!node->needs(i)) continue;
      if (!grads[i]) throw Error("{}: backward left out the gradient of input {}", node->name(), i);
      arrive(node->inputs_[i], grads[i]);
    }
  }
}

}  // namespace tapeline
