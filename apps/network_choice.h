#pragma once

#include <optional>
#include <string>

#include "apps/arguments.h"
#include "models/recognizer/model.h"

namespace tapeline {

/// What `inspect`, `bench` and `profile` look at: a model file, a preset, or a network's text.
struct NetworkChoice {
  std::string model;            // MODEL: a file, or also the name of a preset or VGSL
  std::string preset, network;  // --preset, --network
  std::string charset = "0123456789+-*()";

  void declare(Arguments& arguments);
  bool given() const { return !model.empty() || !preset.empty() || !network.empty(); }
  /// Throws UsageError unless one of the three is given.
  void check() const;
  /// VGSL, where a file is not meant.
  std::optional<std::string> text() const;
  /// The model in the file, or a new one for `charset`.
  Model open(const Device& device) const;
};

}  // namespace tapeline
