#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace tapeline {

/// The one exception of the project. Its text names what was being done, the op, shape, file, line or option
/// concerned, and what to do about it. The library throws this and nothing else; it never prints, aborts or
/// exits.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

}  // namespace tapeline
