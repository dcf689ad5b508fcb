#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tapeline {

/// The bytes of the standard input, which may be lines or one whole file: one can look before one takes. One
/// thread at a time.
class StandardInput {
 public:
  /// The one there is.
  static StandardInput& get();

  /// Up to `count` bytes, fewer only at the end; they are not taken.
  std::string_view peek(std::size_t count);
  /// The next line, without its end; nothing at the end.
  std::optional<std::string> line();
  /// All that is left. Throws Error where that is more than `most` bytes.
  std::string rest(std::size_t most);

 private:
  /// Waits for more bytes; false at the end.
  bool fill();
  std::string buffer_;
};

}  // namespace tapeline
