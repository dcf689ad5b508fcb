#include "apps/random_work.h"

#include <algorithm>

#include "engine/io/safetensors.h"
#include "engine/random.h"
#include "models/training/loss_scale.h"

namespace tapeline {

namespace {

constexpr int kLabelLength = 5, kDumpedSteps = 3;
constexpr double kLearningRate = 1e-4;

/// Noise in every pixel; labels of five characters, no two neighbours the same, fewer where the frames do not
/// hold them.
Batch random_batch(const Model& model, int count, int asked_width) {
  const NetworkSpec& spec = model.spec();
  if (spec.width && asked_width && asked_width != spec.width)
    throw Error("--width {}: this network takes images of width {} only", asked_width, spec.width);
  Random random(1, 2);
  Batch batch;
  batch.count = count;
  batch.height = spec.height;
  batch.width = spec.width ? spec.width : asked_width ? asked_width : 3 * spec.height;
  batch.channels = spec.channels;
  const std::size_t row = static_cast<std::size_t>(batch.width) * batch.channels;
  batch.pixels.resize(row * batch.height * count);
  for (std::uint8_t& pixel : batch.pixels) pixel = static_cast<std::uint8_t>(random.below(256));
  batch.offsets.assign(static_cast<std::size_t>(count), 127.5f);
  batch.factors.assign(static_cast<std::size_t>(count), 1 / 74.0f);  // deviation 1
  batch.widths.assign(static_cast<std::size_t>(count), batch.width);

  const int frames = model.frames(batch.width);
  if (frames < 1)
    throw Error("images of width {} give no frame in this network; give a larger --width", batch.width);
  const int characters = model.charset.size();
  batch.max_label = characters > 1 ? std::min(kLabelLength, frames) : 1;
  for (int n = 0; n < count; ++n)
    for (int i = 0, before = 0; i < batch.max_label; ++i) {
      int label = 1 + static_cast<int>(random.below(static_cast<std::uint32_t>(characters)));
      if (label == before) label = label % characters + 1;
      batch.labels.push_back(before = label);
    }
  batch.label_lengths.assign(static_cast<std::size_t>(count), batch.max_label);
  return batch;
}

/// Pictures that are narrower than the batch are zero at the right.
void pad_to(Batch& batch, int multiple) {
  const int width = (batch.width + multiple - 1) / multiple * multiple;
  if (width == batch.width) return;
  const std::size_t from = static_cast<std::size_t>(batch.width) * batch.channels,
                    to = static_cast<std::size_t>(width) * batch.channels;
  std::vector<std::uint8_t> wide(to * batch.height * batch.count, 0);
  for (std::size_t row = 0; row < static_cast<std::size_t>(batch.height) * batch.count; ++row)
    std::copy_n(batch.pixels.begin() + static_cast<std::ptrdiff_t>(row * from), from,
                wide.begin() + static_cast<std::ptrdiff_t>(row * to));
  batch.pixels = std::move(wide);
  batch.width = width;
}

}  // namespace

void WorkChoice::declare(Arguments& arguments) {
  network.declare(arguments);
  arguments.choice("--mode", mode, "Whole training steps, or reading", {"train", "infer"});
  arguments.option("--batch", batch, "Images at a time", 1, 65536);
  arguments.option("--width", width,
                   "Of the images, in the network's pixels; 0: the network's own, or 3 times its height", 0,
                   1 << 20);
  device.declare(arguments);
}

Device WorkChoice::open_device() const {
  network.check();
  return device.open();
}

RandomWork::RandomWork(const WorkChoice& choice, const Device& device)
    : model_(choice.network.open(device)), batch_(random_batch(model_, choice.batch, choice.width)) {
  recognizer_.emplace(model_);
  if (model_.network->any_width()) pad_to(batch_, recognizer_->width_multiple());
  if (!choice.trains()) return;
  optimizer_.emplace(model_.network->state().parameters, OptimizerMethod{}, std::vector<DecayRule>{}, 0.0f,
                     device->precision() == Precision::fp16);
  step_.emplace(model_, *optimizer_, /*seed=*/1);
}

void RandomWork::run() {
  if (step_)
    step();
  else
    recognizer_->read(batch_);
}

double RandomWork::step() { return step_->run(batch_, steps_++, {kLearningRate, LossScale().value}).loss; }

void RandomWork::dump(const std::string& path) {
  const Device& device = model_.network->device();
  std::vector<NamedTensor> tensors;
  for (const auto* list : {&model_.network->state().parameters, &model_.network->state().buffers})
    for (const auto& [name, tensor] : *list)
      tensors.push_back({name, Tensor::from(device, tensor.shape(), tensor.to_vector<float>())});
  BatchInput input(*model_.network, batch_.count, batch_.width);
  input.upload(batch_);
  tensors.push_back({"input.images", input.values()});
  if (step_) {
    tensors.push_back(
        {"input.labels", Tensor::from(device, {batch_.count, batch_.max_label}, batch_.labels)});
    tensors.push_back({"input.label_lengths", Tensor::from(device, {batch_.count}, batch_.label_lengths)});
    std::vector<float> losses;
    for (int i = 0; i < kDumpedSteps; ++i) losses.push_back(static_cast<float>(step()));
    tensors.push_back({"output.losses", Tensor::from(device, {kDumpedSteps}, losses)});
  } else {
    tensors.push_back({"output.logits", recognizer_->logits(batch_)});
  }
  write_safetensors(path, tensors);
}

}  // namespace tapeline
