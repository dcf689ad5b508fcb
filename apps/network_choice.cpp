#include "apps/network_choice.h"

#include <filesystem>

#include "models/network/presets.h"

namespace tapeline {

namespace {

constexpr std::uint64_t kSeed = 1;

std::string preset_names() {
  std::string names;
  for (const Preset& preset : presets()) names += fmt::format("{}{}", names.empty() ? "" : ", ", preset.name);
  return names;
}

}  // namespace

void NetworkChoice::declare(Arguments& arguments) {
  arguments.positional("MODEL", model, "A model file, the name of a preset, or a network's text in VGSL",
                       false);
  arguments.option("--preset", preset, "A preset by name");
  arguments.option("--network", network, "A network's text in VGSL");
  arguments.option("--charset", charset, "Characters that a preset or network is to read");
}

void NetworkChoice::check() const {
  const int given = !model.empty() + !preset.empty() + !network.empty();
  if (given == 1) return;
  throw UsageError("{}: a model file, --preset or --network (presets: {})",
                   given == 0 ? "say what to look at" : "too many are given, choose one", preset_names());
}

std::optional<std::string> NetworkChoice::text() const {
  if (!network.empty()) return network;
  if (!preset.empty()) return std::string(find_preset(preset).network);
  if (model.starts_with("[")) return model;
  std::error_code error;
  if (std::filesystem::exists(model, error)) return std::nullopt;
  for (const Preset& known : presets())
    if (known.name == model) return std::string(known.network);
  throw Error("there is no file {}, and no preset of that name either; presets: {}", model, preset_names());
}

Model NetworkChoice::open(const Device& device) const {
  const auto vgsl = text();
  return vgsl ? make_model(*vgsl, Charset(charset), device, kSeed) : load_model(model, device);
}

}  // namespace tapeline
