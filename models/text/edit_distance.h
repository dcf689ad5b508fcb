#pragma once

// Levenshtein's distance: the fewest substitutions, insertions and deletions of one character (code point)
// that turn the expected text into the one that was read.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tapeline {

std::size_t edit_distance(std::u32string_view expected, std::u32string_view read);

/// The same for UTF-8; Error where one is not valid.
std::size_t edit_distance(std::string_view expected, std::string_view read);

enum class EditKind { match, substitution, insertion, deletion };

/// One column of an alignment. A character that was read though it was not there is an insertion (expected is
/// 0), one that was missed is a deletion (read is 0).
struct Edit {
  EditKind kind;
  char32_t expected, read;

  bool operator==(const Edit&) const = default;
};

/// A cheapest alignment, from left to right; the steps that are no match number edit_distance(). Among
/// equally cheap ones a substitution is preferred, then a deletion. Takes (n+1)(m+1) entries of memory: Error
/// past 2^26.
std::vector<Edit> align(std::u32string_view expected, std::u32string_view read);

}  // namespace tapeline
