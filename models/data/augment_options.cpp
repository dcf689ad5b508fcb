#include <algorithm>
#include <array>
#include <charconv>

#include "engine/error.h"
#include "models/data/augment.h"

namespace tapeline {
namespace {

struct Field {
  std::string_view name;
  float AugmentOptions::*value;
  float max;
};

constexpr std::array kFields = {
    Field{"rotate", &AugmentOptions::rotate, 180},
    Field{"shear", &AugmentOptions::shear, 2},
    Field{"scale", &AugmentOptions::scale, .9f},
    Field{"stretch", &AugmentOptions::stretch, .9f},
    Field{"shift", &AugmentOptions::shift, 1},
    Field{"perspective", &AugmentOptions::perspective, .6f},
    Field{"elastic", &AugmentOptions::elastic, 1},
    Field{"thickness", &AugmentOptions::thickness, 2},
    Field{"lines", &AugmentOptions::lines, 100},
    Field{"erase", &AugmentOptions::erase, 100},
    Field{"brightness", &AugmentOptions::brightness, 1},
    Field{"contrast", &AugmentOptions::contrast, 1},
    Field{"gamma", &AugmentOptions::gamma, 10},
    Field{"colour", &AugmentOptions::colour, 1},
    Field{"invert", &AugmentOptions::invert, 1},
    Field{"blur", &AugmentOptions::blur, 1},
    Field{"noise", &AugmentOptions::noise, 1},
    Field{"warmup", &AugmentOptions::warmup, 1e9f},
};

struct Preset {
  std::string_view name;
  AugmentOptions options;
};

constexpr std::array kPresets = {
    Preset{"none", {}},
    Preset{"light",
           {.rotate = 2,
            .shear = .08f,
            .scale = .05f,
            .stretch = .05f,
            .shift = .02f,
            .elastic = .02f,
            .thickness = .4f,
            .brightness = .05f,
            .contrast = .15f,
            .gamma = .15f,
            .blur = .3f,
            .noise = .03f}},
    Preset{"strong",
           {.rotate = 6,
            .shear = .2f,
            .scale = .12f,
            .stretch = .15f,
            .shift = .06f,
            .perspective = .1f,
            .elastic = .06f,
            .thickness = .8f,
            .lines = 2,
            .erase = 1,
            .brightness = .12f,
            .contrast = .3f,
            .gamma = .4f,
            .colour = .15f,
            .blur = .6f,
            .noise = .06f,
            .warmup = 16'000}},
};

template <typename Table>
auto find_named(const Table& table, std::string_view name) -> const typename Table::value_type* {
  for (const auto& entry : table)
    if (entry.name == name) return &entry;
  return nullptr;
}

template <typename Table>
std::string names_of(const Table& table) {
  std::string names;
  for (const auto& entry : table) names.append(names.empty() ? "" : ", ").append(entry.name);
  return names;
}

void set_option(AugmentOptions& options, std::string_view item) {
  const auto equals = item.find('=');
  const auto* field = find_named(kFields, item.substr(0, equals));
  if (equals == std::string_view::npos || !field)
    throw Error("augment \"{}\": is unknown: give one of {}, and options such as rotate=5 of: {}", item,
                names_of(kPresets), names_of(kFields));
  const auto text = item.substr(equals + 1);
  const char* end = text.data() + text.size();
  float value = 0;
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end || !(value >= 0 && value <= field->max))
    throw Error("augment \"{}\": {} takes a number from 0 to {}", item, field->name, field->max);
  options.*field->value = value;
}

}  // namespace

bool AugmentOptions::any() const { return *this != AugmentOptions{}; }

AugmentOptions at_position(const AugmentOptions& options, std::size_t position) {
  if (static_cast<float>(position) >= options.warmup) return options;
  const float share = static_cast<float>(position) / options.warmup;
  AugmentOptions reduced = options;
  for (const auto& field : kFields)
    if (field.value != &AugmentOptions::warmup) reduced.*field.value *= share;
  return reduced;
}

AugmentOptions parse_augment(std::string_view text) {
  AugmentOptions options;
  for (bool first = true; first || !text.empty(); first = false) {
    const auto comma = std::min(text.find(','), text.size());
    const auto item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const auto* preset = first ? find_named(kPresets, item) : nullptr;
    if (preset)
      options = preset->options;
    else
      set_option(options, item);
  }
  return options;
}

std::string to_string(const AugmentOptions& options) {
  std::string text;
  for (const auto& field : kFields)
    if (const float value = options.*field.value; value != 0)
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", field.name, value);
  return text.empty() ? "none" : text;
}

}  // namespace tapeline
