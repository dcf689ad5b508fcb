#pragma once

// Fields of JSON that others wrote: of the type that is asked for, and numbers within bounds. (The library's
// own conversions cut a number down to what fits, and are undefined for a float that does not.)

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "engine/error.h"

namespace tapeline {

/// The number, where it is one from `low` to `high`, and whole where T is.
template <typename T>
std::optional<T> number_of(const nlohmann::json& value, T low, T high) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) return std::nullopt;
    const double number = value.get<double>();
    return number >= low && number <= high ? std::optional(static_cast<T>(number)) : std::nullopt;
  } else {
    const auto within = [&](auto number) {
      return std::cmp_greater_equal(number, low) && std::cmp_less_equal(number, high)
                 ? std::optional(static_cast<T>(number))
                 : std::nullopt;
    };
    if (value.is_number_unsigned()) return within(value.get<std::uint64_t>());
    return value.is_number_integer() ? within(value.get<std::int64_t>()) : std::nullopt;
  }
}

/// The number of this name in an object. Throws Error, naming it, where there is none within the bounds.
template <typename T>
T read_number(const nlohmann::json& object, const char* name, T low = std::numeric_limits<T>::lowest(),
              T high = std::numeric_limits<T>::max()) {
  const auto field = object.find(name);
  const auto number = field == object.end() ? std::nullopt : number_of(*field, low, high);
  if (!number)
    throw Error("\"{}\" must be a {}number from {} to {}", name, std::is_integral_v<T> ? "whole " : "", low,
                high);
  return *number;
}

/// The text of this name in an object. Throws Error, naming it, where there is none.
inline std::string read_text(const nlohmann::json& object, const char* name) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_string()) throw Error("\"{}\" must be a text", name);
  return field->get<std::string>();
}

}  // namespace tapeline
