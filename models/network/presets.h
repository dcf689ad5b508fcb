#pragma once

#include <span>
#include <string_view>

namespace tapeline {

struct Preset {
  std::string_view name;
  std::string_view about;
  std::string_view network;  // VGSL

  // How it is trained unless one says otherwise; see TrainOptions.
  int batch = 64;
  std::string_view optimizer = "adam";
  double learning_rate = 1e-3;
  std::string_view schedule = "constant";
  std::string_view decay = "";
  double clip = 0;
};

std::span<const Preset> presets();

/// Throws, with the names there are, when there is none of that name.
const Preset& find_preset(std::string_view name);

}  // namespace tapeline
