#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace tapeline {

/// The one exception of the project. Its text names what was being done, the op, shape, file, line or option
/// concerned, and what to do about it. The library throws this, or what derives from it, and nothing else; it
/// never prints, aborts or exits.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

/// A device does not hold what was asked for, in bytes. The text ends with "use a smaller batch", to be gone
/// on with by whoever knows which.
class OutOfMemory : public Error {
 public:
  /// `where`: "cuda:0 (NVIDIA H200)"; `more`: ", in one piece" or other words on what was asked for.
  OutOfMemory(std::string_view where, std::size_t asked, std::size_t free, std::size_t total,
              std::string_view more = "")
      : Error(
            "{}: out of memory: {:.1f} MiB were asked for{}, and {:.1f} of {:.1f} MiB are free; use a "
            "smaller batch",
            where, mebibytes(asked), more, mebibytes(free), mebibytes(total)),
        free(free) {}
  std::size_t free;

 private:
  static double mebibytes(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }
};

}  // namespace tapeline
