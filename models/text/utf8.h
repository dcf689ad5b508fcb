#pragma once

// UTF-8 and Unicode code points. Labels are kept as UTF-8; wherever characters are counted, compared or
// turned into classes, they are code points.

#include <string>
#include <string_view>

namespace tapeline {

/// The code points of a UTF-8 text. Throws Error where a byte is not valid UTF-8 (overlong forms, surrogates
/// and values past U+10FFFF included); the message names `what`, the byte and its position, counted from 0.
std::u32string decode_utf8(std::string_view text, std::string_view what = "text");

/// UTF-8 of the code points. Throws Error for a surrogate or a value past U+10FFFF.
std::string encode_utf8(std::u32string_view text);
std::string encode_utf8(char32_t character);

bool is_valid_utf8(std::string_view text);

/// How a character is named in messages: `'é' (U+00E9)`; control characters by number only.
std::string describe_character(char32_t character);

}  // namespace tapeline
