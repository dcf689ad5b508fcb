#include "models/recognizer/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/half.h"
#include "models/data/loader.h"

namespace tapeline {

namespace {

template <typename T, typename Convert>
std::vector<double> converted(const std::vector<std::byte>& bytes, const Convert& convert) {
  std::vector<double> values;
  values.reserve(bytes.size() / sizeof(T));
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    values.push_back(static_cast<double>(convert(value)));
  }
  return values;
}

std::vector<double> values_of(const View& view) {
  std::vector<std::byte> bytes(view.bytes());
  view.storage->backend->download(*view.storage, view.offset, bytes);
  const auto as_is = [](auto value) { return value; };
  switch (view.dtype) {
    case DType::f64:
      return converted<double>(bytes, as_is);
    case DType::f16:
      return converted<std::uint16_t>(bytes, half_to_float);
    case DType::bf16:
      return converted<std::uint16_t>(bytes, bfloat16_to_float);
    case DType::i32:
      return converted<std::int32_t>(bytes, as_is);
    case DType::u8:
      return converted<std::uint8_t>(bytes, as_is);
    default:
      return converted<float>(bytes, as_is);
  }
}

double distance(double expected, double found) {
  if (expected == found || (std::isnan(expected) && std::isnan(found))) return 0;
  const double difference = std::fabs(expected - found);
  return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
}

void compare(const std::vector<double>& expected, const std::vector<double>& found, const std::string& kernel,
             const Shape& shape, LayerDifference& layer) {
  if (layer.kernel.empty()) layer.kernel = kernel, layer.shape = shape;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::isfinite(expected[i])) layer.largest = std::max(layer.largest, std::fabs(expected[i]));
    const double difference = distance(expected[i], found[i]);
    if (difference <= layer.difference) continue;
    layer.kernel = kernel;
    layer.shape = shape;
    layer.element = static_cast<std::int64_t>(i);
    layer.expected = expected[i];
    layer.found = found[i];
    layer.difference = difference;
  }
}

/// The program of a reading, as a Recognizer records it, and which layer each of its kernels is for.
class Traced {
 public:
  Traced(const Model& model, int batch, int width) : model_(model), input_(*model.network, batch, width) {
    Pass pass;
    pass.widths = input_.widths();
    // Held weakly: what is held by anyone else would be kept apart by the passes over the program.
    std::vector<std::pair<std::string, std::weak_ptr<Storage>>> made;
    pass.watch = [&](const std::string& text, const Tensor& output) {
      made.emplace_back(text, output.view().storage);
    };
    const NoGrad no_tape;
    std::weak_ptr<Storage> pixels;
    program_ = record([&] {
      const Tensor values = input_.values();
      pixels = values.view().storage;
      logits_ = model.network->forward(values, pass);
    });
    program_.compile(&weights_);
    name_layers(pixels, made);
  }

  void upload(const Batch& batch) const { input_.upload(batch); }
  const std::vector<Kernel>& kernels() const { return program_.kernels(); }
  const std::string& layer(std::size_t kernel) const { return layers_[kernel]; }
  Backend& device() const { return *model_.network->device(); }

 private:
  /// The first kernel from `begin` on that writes there.
  std::vector<Kernel>::const_iterator writer(const std::weak_ptr<Storage>& there, std::size_t begin) const {
    const std::shared_ptr<Storage> output = there.lock();
    return std::find_if(
        kernels().begin() + static_cast<std::ptrdiff_t>(begin), kernels().end(), [&](const Kernel& k) {
          bool writes = false;
          visit_views(
              k, [](const View&) {}, [&](const View& view) { writes |= view.storage == output; });
          return output && writes;
        });
  }

  // A kernel is for the first layer that is finished by it or by one after it. A layer that no kernel
  // finishes was joined with the next.
  void name_layers(const std::weak_ptr<Storage>& pixels,
                   const std::vector<std::pair<std::string, std::weak_ptr<Storage>>>& made) {
    layers_.resize(kernels().size());
    std::size_t kernel = 0, first = 0;
    const auto name_until = [&](std::vector<Kernel>::const_iterator finished, const std::string& text) {
      for (; kernel <= static_cast<std::size_t>(finished - kernels().begin()); ++kernel)
        layers_[kernel] = text;
    };
    if (const auto finished = writer(pixels, kernel); finished != kernels().end())
      name_until(finished, "the pixels");
    for (std::size_t i = 0; i < made.size(); ++i) {
      const auto finished = writer(made[i].second, kernel);
      if (finished == kernels().end()) continue;
      std::string text = i > first ? fmt::format("{}-{}:", first + 1, i + 1) : fmt::format("{}:", i + 1);
      for (std::size_t part = first; part <= i; ++part) text += " " + made[part].first;
      name_until(finished, text);
      first = i + 1;
    }
    for (; kernel < kernels().size(); ++kernel) layers_[kernel] = "the end of the network";
  }

  const Model& model_;
  BatchInput input_;
  Tensor logits_;
  FrozenWeights weights_;
  Program program_;
  std::vector<std::string> layers_;  // of each kernel
};

class Verifier {
 public:
  Verifier(const Model& expected, const Model& tested)
      : expected_(expected), tested_(tested), expected_reader_(expected), tested_reader_(tested) {}

  void add(const Batch& batch) {
    if (shape_ != std::pair{batch.count, batch.width}) {
      expected_trace_.emplace(expected_, batch.count, batch.width);
      tested_trace_.emplace(tested_, batch.count, batch.width);
      shape_ = {batch.count, batch.width};
    }
    compare_kernels(batch);
    compare_program(batch);
    const auto wanted = expected_reader_.read(batch), read = tested_reader_.read(batch);
    for (std::size_t n = 0; n < wanted.size(); ++n)
      if (wanted[n].text != read[n].text)
        result_.texts.push_back({batch.names[n], wanted[n].text, read[n].text});
    result_.images += batch.count;
  }

  Verification result() {
    if (whole_.kernel.size()) result_.layers.push_back(whole_);
    return std::move(result_);
  }

 private:
  void compare_kernels(const Batch& batch) {
    const auto &ours = expected_trace_->kernels(), &theirs = tested_trace_->kernels();
    if (ours.size() != theirs.size())
      throw Error(
          "verify: the network has {} kernels on {}, and {} on {}; they cannot be compared one by one",
          ours.size(), expected_trace_->device().describe().id, theirs.size(),
          tested_trace_->device().describe().id);
    expected_trace_->upload(batch);
    tested_trace_->upload(batch);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      expected_trace_->device().run(ours[i]);
      tested_trace_->device().run(theirs[i]);
      if (filled_on(ours, i)) continue;
      const std::vector<View> wanted = outputs(ours[i]), found = outputs(theirs[i]);
      const std::string& name = expected_trace_->layer(i);
      auto layer = std::find_if(result_.layers.begin(), result_.layers.end(),
                                [&](const LayerDifference& d) { return d.layer == name; });
      if (layer == result_.layers.end()) layer = result_.layers.insert(layer, LayerDifference{.layer = name});
      for (std::size_t o = 0; o < wanted.size(); ++o)
        compare(values_of(wanted[o]), values_of(found[o]), std::string(name_of(ours[i])), wanted[o].shape,
                *layer);
    }
  }

  void compare_program(const Batch& batch) {
    const Tensor wanted = expected_reader_.logits(batch), found = tested_reader_.logits(batch);
    whole_.layer = "the whole, replayed";
    compare(values_of(wanted.view()), values_of(found.view()), "all", wanted.shape(), whole_);
  }

  // Parts that are put side by side: until the last of them is there, the rest is what was in memory before.
  static bool filled_on(const std::vector<Kernel>& kernels, std::size_t i) {
    const auto* part = std::get_if<Copy>(&kernels[i]);
    const auto* next = i + 1 < kernels.size() ? std::get_if<Copy>(&kernels[i + 1]) : nullptr;
    return part && next && part->output.storage == next->output.storage &&
           part->output.offset == next->output.offset;
  }

  static std::vector<View> outputs(const Kernel& kernel) {
    std::vector<View> views;
    visit_views(
        kernel, [](const View&) {}, [&](const View& view) { views.push_back(view); });
    return views;
  }

  const Model &expected_, &tested_;
  Recognizer expected_reader_, tested_reader_;
  std::pair<int, int> shape_;
  std::optional<Traced> expected_trace_, tested_trace_;
  Verification result_;
  LayerDifference whole_;
};

}  // namespace

double LayerDifference::share() const {
  if (difference == 0) return 0;
  return largest > 0 ? difference / largest : std::numeric_limits<double>::infinity();
}

const LayerDifference* Verification::first_beyond(double tolerance) const {
  const auto found = std::find_if(layers.begin(), layers.end(), [&](const LayerDifference& layer) {
    return !(layer.share() <= tolerance);
  });
  return found == layers.end() ? nullptr : &*found;
}

Verification verify(const Model& expected, const Model& tested, const DatasetPtr& data,
                    const VerifyOptions& options) {
  if (data->endless())
    throw Error("verify: this set has no end; give it a count, such as synth:expressions?count=64");
  DataReport report = check_dataset(*data, expected.preprocess, std::nullopt, {false, options.threads});
  const auto all = static_cast<int>(report.count());
  LoaderOptions loading;
  loading.order.batch_size = options.batch;
  loading.order.training = false;
  loading.preprocess = expected.preprocess;
  loading.width_multiple = expected.network->any_width() ? Recognizer(expected).width_multiple() : 1;
  loading.threads = options.threads;
  Loader loader(data, std::move(report), loading);
  Verifier verifier(expected, tested);
  int done = 0;
  while (const auto batch = loader.next()) {
    verifier.add(*batch);
    done += batch->count;
    if (options.progress) options.progress(done, all);
  }
  return verifier.result();
}

}  // namespace tapeline
