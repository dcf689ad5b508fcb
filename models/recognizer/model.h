#pragma once

// A recogniser: a network, the characters it knows, and how pictures become its input. One safetensors file
// holds it all; nothing else is needed to use it.

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "models/data/preprocess.h"
#include "models/network/network.h"
#include "models/text/charset.h"

namespace tapeline {

struct Model {
  Charset charset;
  Preprocess preprocess;
  nlohmann::json metrics = nlohmann::json::object();   // of the last evaluation, for people
  nlohmann::json training = nlohmann::json::object();  // what it was trained with, and on
  std::unique_ptr<Network> network;

  const NetworkSpec& spec() const { return network->spec(); }
  /// Frames of a picture, after preprocessing.
  int frames(int prepared_width) const { return network->geometry().frames(prepared_width); }
};

/// A new network of this text (VGSL) for these characters, its weights drawn from `seed`.
Model make_model(std::string_view network, const Charset& charset, const Device& device, std::uint64_t seed);

/// Tensors kept beside a model's own: an optimiser's moments.
using ExtraTensors = std::vector<NamedTensor>;

/// Writes weights, running statistics, `extra` (named "optimizer.<name>") and the metadata of
/// model_metadata.h. Atomic: the file is there as it was before, or whole. Throws Error naming the path.
void save_model(const std::string& path, const Model& model, const ExtraTensors& extra = {});

/// Throws, naming the file and what is wrong with it: not a model, of a later version, metadata missing or
/// contradictory, tensors missing, left over or of another shape.
Model load_model(const std::string& path, const Device& device);

/// Reads back what save_model() was given as `extra`, by name, into tensors of the same shapes.
void load_extra(const std::string& path, const ExtraTensors& extra);

}  // namespace tapeline
