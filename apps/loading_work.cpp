#include "apps/loading_work.h"

#include "engine/error.h"
#include "models/data/cached_dataset.h"
#include "models/training/loader_options.h"

namespace tapeline {

LoadingWork::LoadingWork(const Model& model, const DataChoice& data, const std::string& augment, int batch,
                         int threads) {
  const DatasetPtr dataset = keep_decoded(data.open());
  LoaderOptions options = loader_options(model, batch, augment, /*seed=*/0, threads);
  DataReport report = check_dataset(*dataset, model.preprocess, options.labels, {.threads = threads});
  loader_.emplace(dataset, std::move(report), std::move(options));
}

int LoadingWork::run() {
  const std::optional<Batch> batch = loader_->next();
  if (!batch) throw Error("bench: the data set came to an end");
  return batch->count;
}

}  // namespace tapeline
