#include "apps/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "models/text/utf8.h"

namespace tapeline {

namespace {

constexpr double kRewriteSeconds = 0.1, kLineSeconds = 5;

bool is_terminal() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) && kind && std::string_view(kind) != "dumb";
}

std::size_t columns() {
  winsize size = {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const std::size_t length = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    const std::string_view piece = text.substr(at, length);
    if (!is_valid_utf8(piece)) {
      result += fmt::format("\\x{:02x}", byte);
      ++at;
      continue;
    }
    at += length;
    const char32_t c = decode_utf8(piece)[0];
    const bool control = (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0);
    const bool turns = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    if (c == '\n')
      result += "\\n";
    else if (control)
      result += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(c));
    else if (turns)
      result += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
    else
      result += piece;
  }
  return result;
}

}  // namespace

std::string printable(std::string_view message) {
  constexpr std::size_t kMost = 2000, kEnd = 500;
  if (message.size() <= kMost) return escaped(message);
  const auto begins_character = [&](std::size_t at) { return (message[at] & 0xc0) != 0x80; };
  std::size_t head = kMost - kEnd, tail = message.size() - kEnd;
  for (int i = 0; i < 3 && !begins_character(head); ++i) --head;
  for (int i = 0; i < 3 && !begins_character(tail); ++i) --tail;
  return fmt::format("{} ... ({} bytes left out) ... {}", escaped(message.substr(0, head)), tail - head,
                     escaped(message.substr(tail)));
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(is_terminal()) {}

void Progress::show(const std::string& line) {
  if (quiet_) return;
  const auto now = Clock::now();
  if (std::chrono::duration<double>(now - last_).count() < (terminal_ ? kRewriteSeconds : kLineSeconds))
    return;
  last_ = now;
  if (!terminal_) {
    fmt::print(stderr, "{}\n", line);
    return;
  }
  fmt::print(stderr, "\r{}\x1b[K", line.substr(0, columns() - 1));
  std::fflush(stderr);
  shown_ = true;
}

void Progress::say(const std::string& line) {
  clear();
  fmt::print(stderr, "{}\n", printable(line));
}

void Progress::clear() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
  shown_ = false;
}

std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number < 0 ? -number : number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return number < 0 ? "-" + digits : digits;
}

std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(std::clamp(seconds, 0.0, 1e9)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string percent(double fraction) { return fmt::format("{:.2f} %", 100 * fraction); }

}  // namespace tapeline
