#include "models/training/train_step.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/nn/dropout.h"
#include "engine/ops/ctc_loss.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "models/training/snapshot.h"

namespace tapeline {

TrainStep::Result TrainStep::run(const Batch& batch, std::int64_t step, const Rates& rates) {
  Recorded& r = recorded(batch.count, batch.width);
  upload(batch, step, r);
  optimizer_.prepare(step, rates.learning_rate, rates.loss_scale);
  r.program.replay();

  Result result;
  result.losses = r.losses.to_vector<float>();
  for (const float loss : result.losses) result.loss += loss / batch.count;
  if (const Tensor& norm = optimizer_.gradient_norm()) result.gradient_norm = norm.item();
  return result;
}

void TrainStep::upload(const Batch& batch, std::int64_t step, const Recorded& r) const {
  const auto longest = static_cast<int>(r.labels.extent(1));
  if (batch.max_label > longest)
    throw Error("train: a label of {} characters cannot fit {} frames", batch.max_label, longest);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(r.labels.elements()), 0);
  for (int n = 0; n < batch.count; ++n)
    std::copy_n(batch.labels.begin() + std::ptrdiff_t{n} * batch.max_label, batch.max_label,
                labels.begin() + std::ptrdiff_t{n} * longest);

  r.input.upload(batch);
  r.labels.upload(labels);
  r.label_lengths.upload(batch.label_lengths);
  r.dropout.upload(dropout_state(seed_, step));
}

std::string TrainStep::first_layer_not_finite(const Batch& batch, std::int64_t step) {
  const Recorded& r = recorded(batch.count, batch.width);
  upload(batch, step, r);
  std::string first;
  Pass pass{true, r.input.widths(), r.dropout, {}};
  pass.watch = [&first](const std::string& layer, const Tensor& made) {
    if (first.empty() && !all_finite(made)) first = layer;
  };
  const Snapshot running_statistics(model_.network->state().buffers);
  const NoGrad no_tape;
  model_.network->forward(r.input.values(), pass);
  running_statistics.restore();
  return first;
}

TrainStep::Recorded& TrainStep::recorded(int count, int width) {
  const std::pair key{count, width};
  if (const auto found = programs_.find(key); found != programs_.end()) return found->second;
  try {
    return programs_.emplace(key, make(count, width)).first->second;
  } catch (const OutOfMemory& error) {
    throw Error("a batch of {}: {}{}", count, error.what(), what_fits(width, error.free));
  }
}

/// Memory is in proportion to the batch, but for a part that two small ones tell.
std::string TrainStep::what_fits(int width, std::size_t free) const {
  constexpr int kMore = 8;
  constexpr double kShare = 0.8;  // working space of kernels and uploads is wanted too
  try {
    const auto one = static_cast<double>(make(1, width).bytes());
    const double each = (static_cast<double>(make(1 + kMore, width).bytes()) - one) / kMore;
    const double room = kShare * static_cast<double>(free) - one;
    if (room >= 0) return fmt::format(", such as {}", 1 + static_cast<std::int64_t>(room / each));
  } catch (const OutOfMemory&) {
  }
  return "; not even one image fits, so it takes a smaller network";
}

TrainStep::Recorded TrainStep::make(int count, int width) const {
  const Network& network = *model_.network;
  const Device& device = network.device();
  const int frames = network.geometry().frames(network.any_width() ? width : network.spec().width);
  Recorded made;
  made.input = BatchInput(network, count, width);
  made.labels = Tensor::zeros(device, {count, frames}, DType::i32);
  made.label_lengths = Tensor::zeros(device, {count}, DType::i32);
  made.dropout = Tensor::zeros(device, {3}, DType::i32);
  const Pass pass{true, made.input.widths(), made.dropout, {}};
  made.program = record([&] {
    optimizer_.zero_grad();
    const Tensor logits = network.forward(made.input.values(), pass);
    const Tensor losses =
        ctc_loss(logits, made.labels, made.label_lengths, pass.at(network.geometry().final_stage));
    made.losses = losses.detach();
    Tensor loss = mean(losses);
    if (optimizer_.loss_scale()) loss = loss * optimizer_.loss_scale();
    loss.backward();
    optimizer_.step();
    optimizer_.zero_grad();  // the gradients' memory is the program's to share
  });
  made.program.compile();
  return made;
}

std::size_t TrainStep::arena_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [key, recorded] : programs_) bytes += recorded.program.arena_bytes();
  return bytes;
}

}  // namespace tapeline
