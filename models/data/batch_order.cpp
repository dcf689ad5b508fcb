#include "models/data/batch_order.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/error.h"
#include "engine/random.h"

namespace tapeline {
namespace {

constexpr std::size_t kPoolBatches = 16;
constexpr std::size_t kEpochsKept = 2;  // workers may be in the next epoch while one ends

}  // namespace

BatchOrder::BatchOrder(std::size_t samples, std::vector<int> widths, const BatchOrderOptions& options)
    : samples_(samples), widths_(std::move(widths)), options_(options) {
  if (options.batch_size < 1) throw Error("a batch of {} images: give 1 or more", options.batch_size);
  if (samples == 0) throw Error("no samples: give at least one");
  batch_size_ = std::min(static_cast<std::size_t>(options.batch_size), samples);
  const bool endless = samples == Dataset::kEndless;
  if (endless && !options.training)
    throw Error("an endless set cannot be gone through once: give it an end with &count=2000, or a limit");
  if (!endless && options.training && samples > std::numeric_limits<std::uint32_t>::max())
    throw Error("{} samples cannot be shuffled: give fewer than 2^32, or no count at all", samples);
  const bool partial = !options.training && samples % batch_size_ != 0;
  batches_ = endless ? Dataset::kEndless : samples / batch_size_ + partial;
  options_.group_widths = options.group_widths && options.training && widths_.size() == samples;
}

std::vector<std::size_t> BatchOrder::batch(std::size_t k) const {
  if (!options_.training || samples_ == Dataset::kEndless) {
    const std::size_t first = k * batch_size_;
    std::vector<std::size_t> samples(std::min(batch_size_, samples_ - first));
    std::iota(samples.begin(), samples.end(), first);
    return samples;
  }
  const auto order = epoch(k / batches_);
  const auto first = order->begin() + static_cast<std::ptrdiff_t>(k % batches_ * batch_size_);
  return {first, first + static_cast<std::ptrdiff_t>(batch_size_)};
}

std::shared_ptr<const BatchOrder::Samples> BatchOrder::epoch(std::size_t number) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = epochs_.find(number); found != epochs_.end()) return found->second;
  if (epochs_.size() == kEpochsKept) epochs_.erase(epochs_.begin());
  return epochs_[number] = std::make_shared<const Samples>(make_epoch(number));
}

BatchOrder::Samples BatchOrder::make_epoch(std::size_t number) const {
  Samples samples(samples_);
  std::iota(samples.begin(), samples.end(), 0u);
  Random(options_.seed, number).shuffle(samples);
  if (options_.group_widths) group_by_width(samples, number);
  return samples;
}

void BatchOrder::group_by_width(Samples& samples, std::uint64_t epoch) const {
  const std::size_t whole = batches_ * batch_size_, pool = kPoolBatches * batch_size_;
  for (std::size_t at = 0; at < whole; at += pool) {
    const auto begin = samples.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = samples.begin() + static_cast<std::ptrdiff_t>(std::min(at + pool, whole));
    std::stable_sort(begin, end, [&](std::uint32_t a, std::uint32_t b) { return widths_[a] < widths_[b]; });
  }
  std::vector<std::size_t> order(batches_);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random(options_.seed, ~epoch).shuffle(order);
  Samples grouped;
  grouped.reserve(whole);
  for (const std::size_t batch : order) {
    const auto begin = samples.begin() + static_cast<std::ptrdiff_t>(batch * batch_size_);
    grouped.insert(grouped.end(), begin, begin + static_cast<std::ptrdiff_t>(batch_size_));
  }
  samples = std::move(grouped);
}

}  // namespace tapeline
