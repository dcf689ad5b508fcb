#include "apps/standard_input.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "engine/error.h"

namespace tapeline {

StandardInput& StandardInput::get() {
  static StandardInput input;
  return input;
}

bool StandardInput::fill() {
  std::array<char, 1 << 16> bytes;
  ssize_t count;
  do count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  while (count < 0 && errno == EINTR);
  if (count > 0) buffer_.append(bytes.data(), static_cast<std::size_t>(count));
  return count > 0;
}

std::string_view StandardInput::peek(std::size_t count) {
  while (buffer_.size() < count && fill()) {
  }
  return std::string_view(buffer_).substr(0, count);
}

std::optional<std::string> StandardInput::line() {
  std::size_t seen = 0, end = buffer_.find('\n');
  while (end == std::string::npos) {
    seen = buffer_.size();
    if (!fill()) break;
    end = buffer_.find('\n', seen);
  }
  if (end == std::string::npos && buffer_.empty()) return std::nullopt;
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end == std::string::npos ? end : end + 1);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

std::string StandardInput::rest(std::size_t most) {
  while (fill())
    if (buffer_.size() > most) throw Error("standard input: more than {} bytes; that is no picture", most);
  return std::exchange(buffer_, {});
}

}  // namespace tapeline
