#include "models/recognizer/batch_input.h"

#include "engine/ops/cast.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/mask_columns.h"

namespace tapeline {

BatchInput::BatchInput(const Network& network, int count, int width)
    : network_(&network),
      pixels_(Tensor::zeros(network.device(), {count, network.spec().height, width, network.spec().channels},
                            DType::u8)),
      offsets_(Tensor::zeros(network.device(), {count, 1, 1, 1})),
      factors_(Tensor::zeros(network.device(), {count, 1, 1, 1})) {
  if (!network.any_width()) return;
  for (std::size_t i = 0; i < network.geometry().stages.size(); ++i)
    widths_.push_back(Tensor::zeros(network.device(), {count}, DType::i32));
}

void BatchInput::upload(const Batch& batch) const {
  pixels_.upload(batch.pixels);
  offsets_.upload(batch.offsets);
  factors_.upload(batch.factors);
  const auto stages = network_->geometry().widths(batch.widths);
  for (std::size_t stage = 0; stage < widths_.size(); ++stage) widths_[stage].upload(stages[stage]);
}

Tensor BatchInput::values() const {
  const Tensor values = (cast(pixels_, DType::f32) - offsets_) * factors_;
  return widths_.empty() ? values : mask_columns(values, widths_[0]);
}

}  // namespace tapeline
