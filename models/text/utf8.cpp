#include "models/text/utf8.h"

#include <optional>

#include "engine/error.h"

namespace tapeline {
namespace {

struct Decoded {
  char32_t character;
  std::size_t length;
};

bool is_scalar_value(char32_t character) {
  return character <= 0x10FFFF && !(character >= 0xD800 && character <= 0xDFFF);
}

/// The character that starts at the first byte of `text`, which is not empty; nothing where it is not valid.
std::optional<Decoded> decode_one(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return Decoded{lead, 1};
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return std::nullopt;
  char32_t character = lead & (0x7F >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
    character = (character << 6) | (byte(i) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (character < kSmallest[length] || !is_scalar_value(character)) return std::nullopt;
  return Decoded{character, length};
}

}  // namespace

std::u32string decode_utf8(std::string_view text, std::string_view what) {
  std::u32string characters;
  characters.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto decoded = decode_one(text.substr(at));
    if (!decoded)
      throw Error("{}: byte {} (0x{:02X}) is not valid UTF-8: save it as UTF-8", what, at,
                  static_cast<unsigned char>(text[at]));
    characters.push_back(decoded->character);
    at += decoded->length;
  }
  return characters;
}

std::string encode_utf8(char32_t character) {
  if (!is_scalar_value(character))
    throw Error("U+{:04X} is not a Unicode character", static_cast<std::uint32_t>(character));
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((character >> shift) & 0x3F)); };
  if (character < 0x80) return {static_cast<char>(character)};
  if (character < 0x800) return {static_cast<char>(0xC0 | (character >> 6)), tail(0)};
  if (character < 0x10000) return {static_cast<char>(0xE0 | (character >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (character >> 18)), tail(12), tail(6), tail(0)};
}

std::string encode_utf8(std::u32string_view text) {
  std::string bytes;
  for (const char32_t character : text) bytes += encode_utf8(character);
  return bytes;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto decoded = decode_one(text);
    if (!decoded) return false;
    text.remove_prefix(decoded->length);
  }
  return true;
}

std::string describe_character(char32_t character) {
  const auto number = fmt::format("U+{:04X}", static_cast<std::uint32_t>(character));
  const bool control = character < 0x20 || (character >= 0x7F && character < 0xA0);
  if (control || !is_scalar_value(character)) return number;
  return fmt::format("'{}' ({})", encode_utf8(character), number);
}

}  // namespace tapeline
