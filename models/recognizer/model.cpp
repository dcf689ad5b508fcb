#include "models/recognizer/model.h"

#include "engine/error.h"
#include "engine/io/finite.h"
#include "engine/io/safetensors.h"
#include "engine/nn/init.h"
#include "models/recognizer/model_metadata.h"

namespace tapeline {

namespace {

constexpr const char* kExtraPrefix = "optimizer.";

std::vector<NamedTensor> tensors_of(const Model& model) {
  std::vector<NamedTensor> tensors = model.network->state().parameters;
  const auto& buffers = model.network->state().buffers;
  tensors.insert(tensors.end(), buffers.begin(), buffers.end());
  return tensors;
}

void load_weights(const Model& model, const Safetensors& file) {
  const std::vector<NamedTensor> tensors = tensors_of(model);
  for (const NamedTensor& tensor : tensors) {
    file.load(tensor);
    if (!all_finite(file.bytes(tensor.name), tensor.tensor.dtype()))
      throw Error("tensor '{}' holds values that are infinite or not numbers; take an earlier model",
                  tensor.name);
  }
  std::size_t known = tensors.size();
  for (const auto& [name, entry] : file.entries()) known += name.starts_with(kExtraPrefix);
  if (known != file.entries().size())
    throw Error("it holds {} tensors that its network does not have; it belongs to another",
                file.entries().size() - known);
}

}  // namespace

Model make_model(std::string_view network, const Charset& charset, const Device& device, std::uint64_t seed) {
  if (charset.empty())
    throw Error("a recogniser needs at least one character; give --charset, or labels that hold some");
  Model model;
  model.charset = charset;
  Random random(seed, 1);
  model.network = std::make_unique<Network>(parse_vgsl(network), charset.classes(), device, random);
  const NetworkSpec& spec = model.spec();
  model.preprocess.height = spec.height;
  model.preprocess.width = spec.width;
  model.preprocess.channels = spec.channels;
  return model;
}

void save_model(const std::string& path, const Model& model, const ExtraTensors& extra) {
  std::vector<NamedTensor> tensors = tensors_of(model);
  for (const NamedTensor& tensor : extra) tensors.push_back({kExtraPrefix + tensor.name, tensor.tensor});
  const ModelMetadata metadata{model.spec(), model.charset, model.preprocess, model.metrics, model.training};
  write_safetensors(path, tensors, metadata.texts());
}

Model load_model(const std::string& path, const Device& device) {
  const Safetensors file = Safetensors::read(path);
  try {
    ModelMetadata said = ModelMetadata::of(file);
    Model model{std::move(said.charset), said.preprocess, std::move(said.metrics), std::move(said.training),
                nullptr};
    {
      const NoInit weights_are_read;
      Random unused(0, 1);
      model.network =
          std::make_unique<Network>(std::move(said.network), model.charset.classes(), device, unused);
    }
    load_weights(model, file);
    return model;
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(path + ": ")) throw;
    throw Error("{}: {}", path, error.what());
  }
}

void load_extra(const std::string& path, const ExtraTensors& extra) {
  const Safetensors file = Safetensors::read(path);
  for (const NamedTensor& tensor : extra) file.load({kExtraPrefix + tensor.name, tensor.tensor});
}

}  // namespace tapeline
