#pragma once

// Which samples make up batch number k: a pure function of (number of samples, widths, seed, batch size, k),
// so that a run which was interrupted goes on with the batches that it would have seen.

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "models/data/dataset.h"

namespace tapeline {

struct BatchOrderOptions {
  int batch_size = 32;
  bool training =
      true;  // shuffled anew in every epoch, the last partial batch dropped; otherwise once, in order
  std::uint64_t seed = 0;
  bool group_widths = false;  // training: batches of similar widths, taken from pools of 16 batches
};

class BatchOrder {
 public:
  /// `samples` may be Dataset::kEndless, which is never shuffled. `widths` has one a sample, and is needed
  /// for group_widths alone. In training, a set with fewer samples than a batch gives one batch of all of
  /// them an epoch. Error for 2^32 samples or more that are no endless set.
  BatchOrder(std::size_t samples, std::vector<int> widths, const BatchOrderOptions& options);

  /// Batches of an epoch; kEndless where the samples are.
  std::size_t batches_per_epoch() const { return batches_; }

  /// Batches of a run: one epoch unless training.
  std::size_t batches() const { return options_.training ? Dataset::kEndless : batches_; }

  /// Samples of batch k < batches(). May be called from several threads at once.
  std::vector<std::size_t> batch(std::size_t k) const;

 private:
  using Samples = std::vector<std::uint32_t>;

  std::shared_ptr<const Samples> epoch(std::size_t number) const;
  Samples make_epoch(std::size_t number) const;
  void group_by_width(Samples& samples, std::uint64_t epoch) const;

  std::size_t samples_, batch_size_, batches_;
  std::vector<int> widths_;
  BatchOrderOptions options_;
  mutable std::mutex mutex_;
  mutable std::map<std::size_t, std::shared_ptr<const Samples>> epochs_;  // the last few that were asked for
};

}  // namespace tapeline
