#pragma once

// What tests ask of messages.

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "engine/error.h"

namespace tapeline {

inline bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

/// The message of the Error that `action` throws; "" where it throws none.
template <typename Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Whether `action` throws an Error whose message has `part` in it; one without is shown.
template <typename Action>
bool fails_with(Action&& action, std::string_view part) {
  const std::string error = error_of(action);
  CAPTURE(error);
  if (!error.empty()) CHECK(has(error, part));
  return has(error, part);
}

}  // namespace tapeline
