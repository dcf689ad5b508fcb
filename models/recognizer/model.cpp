#include "models/recognizer/model.h"

#include "engine/error.h"
#include "engine/io/finite.h"
#include "engine/io/safetensors.h"
#include "engine/nn/init.h"

namespace tapeline {

namespace {

constexpr const char* kVersion = "1";
constexpr const char* kExtraPrefix = "optimizer.";

std::vector<NamedTensor> tensors_of(const Model& model) {
  std::vector<NamedTensor> tensors = model.network->state().parameters;
  const auto& buffers = model.network->state().buffers;
  tensors.insert(tensors.end(), buffers.begin(), buffers.end());
  return tensors;
}

const std::string& field(const Safetensors& file, const std::string& path, const char* name) {
  const auto entry = file.metadata().find(name);
  if (entry == file.metadata().end())
    throw Error("{}: its metadata has no \"{}\": this is not a Tapeline model; `tapeline train` makes one",
                path, name);
  return entry->second;
}

nlohmann::json json_field(const Safetensors& file, const std::string& path, const char* name) {
  nlohmann::json json = nlohmann::json::parse(field(file, path, name), nullptr, false);
  if (!json.is_object())
    throw Error("{}: \"{}\" in its metadata is not a JSON object; the file is damaged", path, name);
  return json;
}

/// A problem with what a file says, told with its name.
template <typename Action>
auto within(const std::string& path, Action&& action) {
  try {
    return action();
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(path)) throw;
    throw Error("{}: {}", path, error.what());
  }
}

void check_input(const Model& model) {
  const NetworkSpec& spec = model.spec();
  const Preprocess& p = model.preprocess;
  if (p.height != spec.height || p.width != spec.width || p.channels != spec.channels)
    throw Error("preprocessing to {}x{}x{} contradicts the network's input {}x{}x{}", p.height, p.width,
                p.channels, spec.height, spec.width, spec.channels);
}

Model build(std::string_view network, const Charset& charset, const Device& device, std::uint64_t seed) {
  Model model;
  model.charset = charset;
  Random random(seed, 1);
  model.network = std::make_unique<Network>(parse_vgsl(network), charset.classes(), device, random);
  return model;
}

}  // namespace

Model make_model(std::string_view network, const Charset& charset, const Device& device, std::uint64_t seed) {
  if (charset.empty())
    throw Error("a recogniser needs at least one character; give --charset, or labels that hold some");
  Model model = build(network, charset, device, seed);
  const NetworkSpec& spec = model.spec();
  model.preprocess.height = spec.height;
  model.preprocess.width = spec.width;
  model.preprocess.channels = spec.channels;
  return model;
}

void save_model(const std::string& path, const Model& model, const ExtraTensors& extra) {
  std::vector<NamedTensor> tensors = tensors_of(model);
  for (const NamedTensor& tensor : extra) tensors.push_back({kExtraPrefix + tensor.name, tensor.tensor});
  write_safetensors(path, tensors,
                    {{"tapeline", kVersion},
                     {"network", model.spec().text},
                     {"charset", model.charset.to_string()},
                     {"preprocess", to_json(model.preprocess).dump()},
                     {"decoder", R"({"type":"best_path"})"},
                     {"metrics", model.metrics.dump()},
                     {"training", model.training.dump()}});
}

Model load_model(const std::string& path, const Device& device) {
  const Safetensors file = Safetensors::read(path);
  if (const std::string& version = field(file, path, "tapeline"); version != kVersion)
    throw Error("{}: written in layout {}, and this program reads {}; use a later tapeline", path, version,
                kVersion);
  const nlohmann::json decoder = json_field(file, path, "decoder");
  if (decoder.value("type", nlohmann::json()) != "best_path")
    throw Error("{}: asks for the decoder {}, and this program has best_path only", path, decoder.dump());

  return within(path, [&] {
    const Charset charset(field(file, path, "charset"));
    if (charset.empty()) throw Error("the charset is empty; the file is damaged");
    const std::string& network = field(file, path, "network");
    // The file's own size bounds what its network may ask for, before any of that is allocated.
    const NetworkSpec spec = parse_vgsl(network);
    std::size_t stored = 0;
    for (const auto& [name, entry] : file.entries()) stored += entry.end - entry.begin;
    const auto wanted =
        static_cast<std::size_t>(smallest_trace(spec, charset.classes()).parameters()) * sizeof(float);
    if (wanted > stored)
      throw Error("the network needs {} bytes of parameters, and the file holds {}; it is damaged", wanted,
                  stored);

    Model model = [&] {
      const NoInit weights_are_read;
      return build(network, charset, device, 0);
    }();
    model.preprocess = preprocess_from_json(json_field(file, path, "preprocess"));
    check_input(model);
    model.metrics = json_field(file, path, "metrics");
    model.training = json_field(file, path, "training");
    std::size_t known = 0;
    for (const NamedTensor& tensor : tensors_of(model)) {
      file.load(tensor), ++known;
      if (!all_finite(file.bytes(tensor.name), tensor.tensor.dtype()))
        throw Error("tensor '{}' holds values that are infinite or not numbers; take an earlier model",
                    tensor.name);
    }
    for (const auto& [name, entry] : file.entries())
      if (name.starts_with(kExtraPrefix)) ++known;
    if (known != file.entries().size())
      throw Error("it holds {} tensors that its network does not have; it belongs to another",
                  file.entries().size() - known);
    return model;
  });
}

void load_extra(const std::string& path, const ExtraTensors& extra) {
  const Safetensors file = Safetensors::read(path);
  for (const NamedTensor& tensor : extra) file.load({kExtraPrefix + tensor.name, tensor.tensor});
}

}  // namespace tapeline
