#include "models/data/loader.h"

#include <algorithm>

#include "engine/error.h"

namespace tapeline {
namespace {

/// How many can be used; throws, telling what is wrong with all the others, where none can.
std::size_t usable(const DataReport& report) {
  if (report.count() > 0) return report.count();
  std::string why;
  const auto count = [&why](std::size_t n, const char* what) {
    if (n > 0) why += fmt::format("{}{} {}", why.empty() ? "" : ", ", n, what);
  };
  count(report.bad_lines, "bad lines");
  count(report.unreadable, "that cannot be read");
  count(report.outside_charset, "with characters outside the charset");
  count(report.too_long, "with labels too long for the picture");
  const std::string first =
      report.problems.empty()
          ? ""
          : fmt::format("; the first is {}: {}", report.problems[0].name, report.problems[0].why);
  throw Error("none of the {} samples can be used: {}{}", report.samples,
              why.empty() ? "there are none" : why, first);
}

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

Loader::Loader(DatasetPtr dataset, DataReport report, LoaderOptions options)
    : dataset_(std::move(dataset)),
      report_(std::move(report)),
      options_(std::move(options)),
      order_(usable(report_), std::move(report_.widths), options_.order),
      position_(options_.start),
      next_to_make_(options_.start) {
  if (options_.width_multiple < 1)
    throw Error("loader: width_multiple {} must be positive", options_.width_multiple);
  if (options_.ahead < 1) throw Error("loader: {} batches ahead: must be 1 or more", options_.ahead);
  report_.problems = {};  // of no use to batches
  const int threads = options_.threads > 0 ? options_.threads : available_threads();
  for (int i = 0; i < threads; ++i) workers_.emplace_back([this](std::stop_token stop) { work(stop); });
}

std::optional<Batch> Loader::next() {
  std::unique_lock lock(mutex_);
  if (position_ >= order_.batches()) return std::nullopt;
  ready_.wait(lock, [&] { return out_of_memory_ || results_.contains(position_); });
  if (out_of_memory_) std::rethrow_exception(out_of_memory_);
  Result result = std::move(results_.extract(position_).mapped());
  ++position_;
  lock.unlock();
  room_.notify_all();
  if (const auto* failure = std::get_if<std::exception_ptr>(&result)) std::rethrow_exception(*failure);
  return std::get<Batch>(std::move(result));
}

void Loader::work(std::stop_token stop) {
  const auto may_start = [&] {
    return next_to_make_ < order_.batches() &&
           next_to_make_ < position_ + static_cast<std::size_t>(options_.ahead);
  };
  std::unique_lock lock(mutex_);
  while (room_.wait(lock, stop, may_start) && !stop.stop_requested()) {
    const std::size_t number = next_to_make_++;
    lock.unlock();
    Result result;
    try {
      result = make_batch(number);
    } catch (...) {
      result = std::current_exception();
    }
    lock.lock();
    try {
      results_.emplace(number, std::move(result));
    } catch (...) {
      out_of_memory_ = std::current_exception();
    }
    ready_.notify_all();
  }
}

Batch Loader::make_batch(std::size_t number) const {
  const auto samples = order_.batch(number);
  const Preprocess& preprocessing = options_.preprocess;
  Batch batch;
  batch.count = static_cast<int>(samples.size());
  batch.height = preprocessing.height;
  batch.channels = preprocessing.channels;

  std::vector<Image> images;
  std::vector<std::vector<int>> labels;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::size_t index = report_.index(samples[i]);
    Sample sample = dataset_->load(index, preprocessing.channels);
    const int width = preprocessing.output_width(sample.image.width, sample.image.height);
    add_label(batch, labels, sample, width);
    // The order of samples draws from streams of `seed` itself.
    const std::size_t position = number * static_cast<std::size_t>(options_.order.batch_size) + i;
    Random random(~options_.order.seed, position);
    images.push_back(augment(std::move(sample.image), random, at_position(options_.augment, position)));
    batch.widths.push_back(width);
    batch.width = std::max(batch.width, round_up(width, options_.width_multiple));
    batch.names.push_back(std::move(sample.name));
    batch.texts.push_back(std::move(sample.text));
    batch.indices.push_back(index);
  }

  const std::size_t row = static_cast<std::size_t>(batch.width) * batch.channels;
  batch.pixels.resize(images.size() * batch.height * row);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto [offset, factor] =
        preprocess(images[i], preprocessing, &batch.pixels[i * batch.height * row], row);
    batch.offsets.push_back(offset);
    batch.factors.push_back(factor);
  }

  batch.labels.resize(labels.size() * batch.max_label);
  for (std::size_t i = 0; i < labels.size(); ++i)
    std::copy(labels[i].begin(), labels[i].end(),
              batch.labels.begin() + static_cast<std::ptrdiff_t>(i * batch.max_label));
  return batch;
}

void Loader::add_label(Batch& batch, std::vector<std::vector<int>>& labels, const Sample& sample,
                       int width) const {
  if (!options_.labels) return;
  if (!report_.looked_at) {
    std::string why;
    if (check_label(*options_.labels, sample.text, width, why) != SampleFault::none)
      throw Error("{}: {}", sample.name, why);
  }
  labels.push_back(options_.labels->charset.encode(sample.text));
  const int length = static_cast<int>(labels.back().size());
  batch.label_lengths.push_back(length);
  batch.max_label = std::max({batch.max_label, length, options_.min_label});
}

}  // namespace tapeline
