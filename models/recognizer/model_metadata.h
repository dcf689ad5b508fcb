#pragma once

// What a model file says of itself besides its tensors, as texts of its metadata:
//   tapeline    version of the layout, "1"
//   network     VGSL          charset     the characters, class 1 first
//   preprocess, metrics, training   JSON   decoder   {"type": "best_path"}

#include <nlohmann/json.hpp>

#include "engine/io/safetensors.h"
#include "models/data/preprocess.h"
#include "models/network/vgsl.h"
#include "models/text/charset.h"

namespace tapeline {

struct ModelMetadata {
  NetworkSpec network;
  Charset charset;
  Preprocess preprocess;
  nlohmann::json metrics, training;  // objects; what is in them is not looked at

  /// Throws Error, which says what is wrong, where the file is not a model, of a later version, or
  /// contradicts itself. A network of more parameters than the file holds bytes for is refused before any is
  /// allocated.
  static ModelMetadata of(const Safetensors& file);

  std::map<std::string, std::string> texts() const;
};

}  // namespace tapeline
