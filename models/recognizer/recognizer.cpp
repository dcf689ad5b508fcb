#include "models/recognizer/recognizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/autograd.h"
#include "engine/error.h"
#include "models/text/utf8.h"

namespace tapeline {

namespace {

constexpr std::size_t kMostPrograms = 8;

}  // namespace

void Recognizer::refresh() {
  programs_.clear();
  weights_ = {};
}

int Recognizer::width_multiple() const {
  const int strides = model_->network->geometry().width_multiple;
  return std::max(strides, 32 / strides * strides);
}

std::vector<Reading> Recognizer::read(std::span<const Image> images, int batch_size) {
  if (batch_size < 1) throw Error("recognize: a batch of {} pictures; at least one is needed", batch_size);
  const Preprocess& options = model_->preprocess;
  std::vector<std::int32_t> widths;
  for (const Image& image : images) widths.push_back(options.output_width(image.width, image.height));
  std::vector<std::size_t> order(images.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return widths[a] < widths[b]; });

  std::vector<Reading> readings(images.size());
  for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(batch_size)) {
    const auto which =
        std::span(order).subspan(first, std::min<std::size_t>(batch_size, order.size() - first));
    const int multiple = model_->network->any_width() ? width_multiple() : 1;
    Batch batch;
    batch.count = static_cast<int>(which.size());
    batch.height = options.height;
    batch.width = (widths[which.back()] + multiple - 1) / multiple * multiple;
    batch.channels = options.channels;
    const std::size_t row = static_cast<std::size_t>(batch.width) * batch.channels;
    batch.pixels.assign(static_cast<std::size_t>(batch.count) * batch.height * row, 0);
    std::vector<int> source_widths;
    for (std::size_t n = 0; n < which.size(); ++n) {
      const auto [offset, factor] =
          preprocess(images[which[n]], options, batch.pixels.data() + n * batch.height * row, row);
      batch.offsets.push_back(offset);
      batch.factors.push_back(factor);
      batch.widths.push_back(widths[which[n]]);
      source_widths.push_back(images[which[n]].width);
    }
    std::vector<Reading> some = read(batch, source_widths);
    for (std::size_t n = 0; n < which.size(); ++n) readings[which[n]] = std::move(some[n]);
  }
  return readings;
}

std::vector<Reading> Recognizer::read(const Batch& batch) { return read(batch, batch.widths); }

Tensor Recognizer::logits(const Batch& batch) {
  Recorded& program = recorded(batch.count, batch.width);
  program.input.upload(batch);
  program.program.replay();
  return program.logits;
}

std::vector<Reading> Recognizer::read(const Batch& batch, std::span<const int> source_widths) {
  const std::vector<float> logits = this->logits(batch).to_vector<float>();
  const Network& network = *model_->network;
  const auto stages = network.geometry().widths(batch.widths);
  const auto& own_frames = stages[static_cast<std::size_t>(network.geometry().final_stage)];
  const std::size_t image = batch.count > 0 ? logits.size() / static_cast<std::size_t>(batch.count) : 0;
  std::vector<Reading> readings;
  for (std::size_t n = 0; n < own_frames.size(); ++n) {
    const auto own = static_cast<std::size_t>(own_frames[n]) * network.classes();
    readings.push_back(to_reading(std::span(logits).subspan(n * image, own), source_widths[n]));
  }
  if (in_fp32_ && !std::ranges::all_of(readings, &Reading::finite)) {
    instead_ = std::exchange(in_fp32_, {})();
    model_ = &*instead_;
    refresh();
    return read(batch, source_widths);
  }
  return readings;
}

Reading Recognizer::to_reading(std::span<const float> logits, int source_width) const {
  Reading reading;
  reading.finite = std::ranges::all_of(logits, [](float v) { return std::isfinite(v); });
  if (!reading.finite) return reading;
  const int classes = model_->network->classes();
  const Decoded decoded = decode_best_path(logits, classes);
  const float pixels_per_frame = logits.empty()
                                     ? 0
                                     : static_cast<float>(source_width) * static_cast<float>(classes) /
                                           static_cast<float>(logits.size());
  reading.confidence = decoded.confidence;
  for (const DecodedClass& c : decoded.classes) {
    const std::string character = encode_utf8(model_->charset.character(c.label));
    reading.text += character;
    reading.characters.push_back({character, c.confidence,
                                  static_cast<float>(c.first_frame) * pixels_per_frame,
                                  static_cast<float>(c.last_frame + 1) * pixels_per_frame});
  }
  return reading;
}

Recognizer::Recorded& Recognizer::recorded(int batch, int width) {
  const std::pair key{batch, width};
  if (const auto found = programs_.find(key); found != programs_.end()) {
    found->second.last_used = ++clock_;
    return found->second;
  }

  const Network& network = *model_->network;
  Recorded made;
  made.last_used = ++clock_;
  made.input = BatchInput(network, batch, width);
  Pass pass;
  pass.widths = made.input.widths();
  const NoGrad no_tape;
  made.program = record([&] { made.logits = network.forward(made.input.values(), pass); });
  made.program.compile(&weights_);

  if (programs_.size() >= kMostPrograms)
    programs_.erase(std::min_element(programs_.begin(), programs_.end(), [](const auto& a, const auto& b) {
      return a.second.last_used < b.second.last_used;
    }));
  return programs_.emplace(key, std::move(made)).first->second;
}

}  // namespace tapeline
