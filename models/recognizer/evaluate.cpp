#include "models/recognizer/evaluate.h"

#include "engine/error.h"
#include "models/data/loader.h"

namespace tapeline {

Evaluation evaluate(Recognizer& recognizer, const DatasetPtr& data, const EvaluateOptions& options) {
  if (data->endless())
    throw Error("evaluate: this set has no end; give it a count, such as synth:expressions?count=1000");
  const Model& model = recognizer.model();
  DataReport report = check_dataset(*data, model.preprocess, std::nullopt, {options.strict, options.threads});
  std::vector<Problem> problems = report.problems;
  const auto all = static_cast<int>(report.count());

  LoaderOptions loading;
  loading.order.batch_size = options.batch;
  loading.order.training = false;
  loading.preprocess = model.preprocess;
  loading.width_multiple = model.network->any_width() ? recognizer.width_multiple() : 1;
  loading.threads = options.threads;
  Loader loader(data, std::move(report), loading);

  std::vector<std::string> names, truths;
  std::vector<Reading> readings;
  std::vector<std::size_t> indices;
  while (const auto batch = loader.next()) {
    for (Reading& reading : recognizer.read(*batch)) readings.push_back(std::move(reading));
    names.insert(names.end(), batch->names.begin(), batch->names.end());
    truths.insert(truths.end(), batch->texts.begin(), batch->texts.end());
    indices.insert(indices.end(), batch->indices.begin(), batch->indices.end());
    if (options.progress) options.progress(static_cast<int>(readings.size()), all);
  }
  Evaluation evaluation = score(names, truths, readings);
  for (Mistake& mistake : evaluation.mistakes) mistake.index = indices[mistake.index];
  evaluation.readings = std::move(readings);
  evaluation.indices = std::move(indices);
  evaluation.problems = std::move(problems);
  return evaluation;
}

}  // namespace tapeline
