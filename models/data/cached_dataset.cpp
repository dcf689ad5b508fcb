#include "models/data/cached_dataset.h"

#include <mutex>
#include <unordered_map>

namespace tapeline {
namespace {

class CachedDataset : public Dataset {
 public:
  CachedDataset(DatasetPtr whole, std::size_t max_bytes) : whole_(std::move(whole)), left_(max_bytes) {}

  std::size_t size() const override { return whole_->size(); }
  std::string name(std::size_t index) const override { return whole_->name(index); }
  std::string text(std::size_t index) const override { return whole_->text(index); }
  std::uint64_t content_hash(std::size_t index) const override { return whole_->content_hash(index); }
  const std::vector<Problem>& problems() const override { return whole_->problems(); }
  bool rendered() const override { return whole_->rendered(); }

  Sample load(std::size_t index, int channels) const override {
    if (const auto kept = find(index); kept && kept->image.channels == channels) return *kept;
    auto sample = whole_->load(index, channels);
    keep(index, sample);
    return sample;
  }

 private:
  std::shared_ptr<const Sample> find(std::size_t index) const {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(index);
    return found == kept_.end() ? nullptr : found->second;
  }

  void keep(std::size_t index, const Sample& sample) const {
    constexpr std::size_t kBookkeeping = 128;  // of the map and of the heap
    const std::size_t bytes =
        sample.image.pixels.size() + sizeof(Sample) + sample.name.size() + sample.text.size() + kBookkeeping;
    const std::lock_guard lock(mutex_);
    if (bytes > left_ || kept_.contains(index)) return;
    kept_[index] = std::make_shared<const Sample>(sample);
    left_ -= bytes;
  }

  DatasetPtr whole_;
  mutable std::mutex mutex_;
  mutable std::size_t left_;
  mutable std::unordered_map<std::size_t, std::shared_ptr<const Sample>> kept_;
};

}  // namespace

DatasetPtr keep_decoded(DatasetPtr dataset, std::size_t max_bytes) {
  if (dataset->endless() || max_bytes == 0) return dataset;
  return std::make_shared<CachedDataset>(std::move(dataset), max_bytes);
}

}  // namespace tapeline
