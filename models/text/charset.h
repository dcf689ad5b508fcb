#pragma once

// The characters that a recogniser knows, and their numbers. Class 0 is CTC's blank; class k is character
// k-1.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tapeline {

class Charset {
 public:
  static constexpr int kBlank = 0;

  Charset() = default;

  /// The characters in this order, from UTF-8. Throws Error for invalid UTF-8, and for a character given
  /// twice.
  explicit Charset(std::string_view characters);

  /// Characters, and classes of the network's output: one more, for the blank.
  int size() const { return static_cast<int>(characters_.size()); }
  int classes() const { return size() + 1; }
  bool empty() const { return characters_.empty(); }

  const std::u32string& characters() const { return characters_; }
  std::string to_string() const;

  /// The class of a character, or kBlank where it is not in the set.
  int find(char32_t character) const;

  /// The character of a class, 1 <= cls <= size(); Error otherwise (the blank has no character).
  char32_t character(int cls) const;

  /// The classes of a text. Throws Error, which names the first character that is missing, or the invalid
  /// byte.
  std::vector<int> encode(std::string_view text) const;

  /// The text of a sequence of classes without blanks, as a decoder returns it.
  std::string decode(std::span<const int> classes) const;

  bool operator==(const Charset& other) const { return characters_ == other.characters_; }

 private:
  std::u32string characters_;
  std::unordered_map<char32_t, int> class_of_;
};

}  // namespace tapeline
