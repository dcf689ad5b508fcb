#include "models/recognizer/model_metadata.h"

#include "engine/error.h"
#include "models/network/geometry.h"

namespace tapeline {

namespace {

constexpr const char* kVersion = "1";
constexpr const char* kDecoder = "best_path";

const std::string& field(const Safetensors& file, const char* name) {
  const auto entry = file.metadata().find(name);
  if (entry == file.metadata().end())
    throw Error("its metadata has no \"{}\": this is not a Tapeline model; `tapeline train` makes one", name);
  return entry->second;
}

nlohmann::json json_field(const Safetensors& file, const char* name) {
  nlohmann::json json = nlohmann::json::parse(field(file, name), nullptr, false);
  if (!json.is_object())
    throw Error("\"{}\" in its metadata is not a JSON object; the file is damaged", name);
  return json;
}

void check_input(const NetworkSpec& spec, const Preprocess& p) {
  if (p.height != spec.height || p.width != spec.width || p.channels != spec.channels)
    throw Error("preprocessing to {}x{}x{} contradicts the network's input {}x{}x{}", p.height, p.width,
                p.channels, spec.height, spec.width, spec.channels);
}

void check_parameters(const Safetensors& file, const NetworkSpec& spec, int classes) {
  std::size_t stored = 0;
  for (const auto& [name, entry] : file.entries()) stored += entry.end - entry.begin;
  const auto wanted = static_cast<std::size_t>(smallest_trace(spec, classes).parameters()) * sizeof(float);
  if (wanted > stored)
    throw Error("the network needs {} bytes of parameters, and the file holds {}; it is damaged", wanted,
                stored);
}

}  // namespace

ModelMetadata ModelMetadata::of(const Safetensors& file) {
  if (const std::string& version = field(file, "tapeline"); version != kVersion)
    throw Error("written in layout {}, and this program reads {}; use a later tapeline", version, kVersion);
  const nlohmann::json decoder = json_field(file, "decoder");
  if (decoder.value("type", nlohmann::json()) != kDecoder)
    throw Error("asks for the decoder {}, and this program has {} only", decoder.dump(), kDecoder);
  ModelMetadata said{.network = parse_vgsl(field(file, "network")),
                     .charset = Charset(field(file, "charset")),
                     .preprocess = preprocess_from_json(json_field(file, "preprocess")),
                     .metrics = json_field(file, "metrics"),
                     .training = json_field(file, "training")};
  if (said.charset.empty()) throw Error("the charset is empty; the file is damaged");
  check_input(said.network, said.preprocess);
  check_parameters(file, said.network, said.charset.classes());
  return said;
}

std::map<std::string, std::string> ModelMetadata::texts() const {
  return {{"tapeline", kVersion},
          {"network", network.text},
          {"charset", charset.to_string()},
          {"preprocess", to_json(preprocess).dump()},
          {"decoder", nlohmann::json{{"type", kDecoder}}.dump()},
          {"metrics", metrics.dump()},
          {"training", training.dump()}};
}

}  // namespace tapeline
