#include "models/training/loader_options.h"

#include "models/recognizer/recognizer.h"

namespace tapeline {

LoaderOptions loader_options(const Model& model, int batch, const std::string& augment, std::uint64_t seed,
                             int threads) {
  const bool any_width = model.network->any_width();
  LoaderOptions options;
  options.labels = LabelRules{model.charset, [&model](int width) { return model.frames(width); }};
  options.order.batch_size = batch;
  options.order.seed = seed;
  options.order.group_widths = any_width;
  options.preprocess = model.preprocess;
  options.augment = parse_augment(augment);
  if (any_width) options.width_multiple = Recognizer(model).width_multiple();
  options.threads = threads;
  return options;
}

}  // namespace tapeline
