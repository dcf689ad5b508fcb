#pragma once

// Reads, decodes, augments and preprocesses batches in worker threads, ahead of the step that uses them.
// Batch k of a run depends on (data set, options, k) alone, not on the number of threads or on where the run
// began.

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "models/data/augment.h"
#include "models/data/batch.h"
#include "models/data/batch_order.h"
#include "models/data/check_dataset.h"

namespace tapeline {

struct LoaderOptions {
  BatchOrderOptions order;
  Preprocess preprocess;
  AugmentOptions augment;
  std::optional<LabelRules> labels;  // without them Batch::labels stays empty, and any text is let through
  int width_multiple = 1;            // the width of a batch is rounded up to a multiple of this
  int min_label = 0;                 // max_label is at least this, so that few batches differ in shape
  std::size_t start = 0;             // number of the first batch, after a resume
  int threads = 0;                   // 0: one a core
  int ahead = 4;                     // batches that may be ready and not yet asked for
};

class Loader {
 public:
  /// `report` is check_dataset()'s and says which samples are used. Throws Error where none is left, where a
  /// set that is gone through once is endless, and for options out of range.
  Loader(DatasetPtr dataset, DataReport report, LoaderOptions options);

  /// Ends the workers; what they were doing is given up.
  ~Loader() = default;

  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch; nothing after the last one of an evaluation. What a worker threw while it made this
  /// batch is thrown here; the call after that goes on with the next.
  std::optional<Batch> next();

  /// Number of the batch that next() returns.
  std::size_t position() const { return position_; }

  /// Dataset::kEndless for an endless set.
  std::size_t batches_per_epoch() const { return order_.batches_per_epoch(); }

 private:
  using Result = std::variant<Batch, std::exception_ptr>;

  Batch make_batch(std::size_t number) const;
  void add_label(Batch& batch, std::vector<std::vector<int>>& labels, const Sample& sample, int width) const;
  void work(std::stop_token stop);

  DatasetPtr dataset_;
  DataReport report_;
  LoaderOptions options_;
  BatchOrder order_;
  std::size_t position_;  // changed by next() alone, under the mutex

  std::mutex mutex_;
  std::condition_variable_any room_, ready_;
  std::size_t next_to_make_;
  std::map<std::size_t, Result> results_;
  std::exception_ptr out_of_memory_;   // no batch could be handed over; next() can only throw it
  std::vector<std::jthread> workers_;  // last, so that they end before anything that they use
};

}  // namespace tapeline
