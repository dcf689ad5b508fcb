#include "engine/ops/ctc_loss.h"

#include "engine/autograd.h"
#include "engine/ops/check.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reshape.h"
#include "engine/program.h"

namespace tapeline {
namespace {

struct CtcLossNode final : Node {
  View grad_logits;  // for a gradient of 1 in each loss

  std::string_view name() const override { return "ctc_loss"; }

  std::vector<Tensor> backward(const Tensor& grad_output) override {
    return {Tensor(grad_logits) * reshape(grad_output, {-1, 1, 1})};
  }
};

}  // namespace

Tensor ctc_loss(const Tensor& logits, const Tensor& labels, const Tensor& label_lengths, const Tensor& frames,
                int blank) {
  check_float("ctc_loss", "logits", logits);
  check_rank("ctc_loss", "logits", logits, 3, "[N, T, C]");
  const std::int64_t batch = logits.extent(0);
  check_defined("ctc_loss", "labels", labels);
  check_rank("ctc_loss", "labels", labels, 2, "[N, L]");
  if (labels.dtype() != DType::i32 || labels.extent(0) != batch || labels.device() != logits.device())
    throw Error("ctc_loss: labels are {} {}; i32 [{}, L] on the device of logits {} is wanted",
                name_of(labels.dtype()), labels.shape().text(), batch, logits.shape().text());
  check_lengths("ctc_loss", "label lengths", label_lengths, batch, logits);
  if (frames) check_lengths("ctc_loss", "frames", frames, batch, logits);
  if (blank < 0 || blank >= logits.extent(2))
    throw Error("ctc_loss: blank {} is none of the {} classes of logits {}", blank, logits.extent(2),
                logits.shape().text());

  const bool wanted = wants_grad({logits});
  const Tensor loss = Tensor::empty(logits.device(), {batch}, logits.dtype());
  const Tensor grad_logits =
      wanted ? Tensor::empty(logits.device(), logits.shape(), logits.dtype()) : Tensor();
  submit(CtcLoss{.logits = logits.view(),
                 .labels = labels.view(),
                 .label_lengths = label_lengths.view(),
                 .frames = frames.view(),
                 .loss = loss.view(),
                 .grad_logits = grad_logits.view(),
                 .blank = blank});
  if (!wanted) return loss;

  auto node = std::make_shared<CtcLossNode>();
  node->grad_logits = grad_logits.view();
  return attach(loss.view(), {logits}, std::move(node));
}

}  // namespace tapeline
