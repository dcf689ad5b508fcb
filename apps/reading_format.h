#pragma once

#include <string>
#include <string_view>

#include "models/recognizer/recognizer.h"

namespace tapeline {

/// How `recognize` writes what it read. tsv: path, text and confidence, with \t, \n, \r, \\ and \x1b for a
/// tab, line ends, a backslash and other control characters inside; csv: the same after RFC 4180, with a
/// header; json: an array, one object a line, with each character's confidence and place in the picture, in
/// its pixels from the left. With `values` the value of each arithmetic expression is added: empty, or null,
/// where the text is none.
class ReadingFormat {
 public:
  /// `kind`: tsv, csv or json.
  ReadingFormat(std::string_view kind, bool values);

  std::string begin() const;
  std::string line(const std::string& path, const Reading& reading);
  std::string end() const;

 private:
  enum class Kind { tsv, csv, json };
  Kind kind_;
  bool values_;
  bool first_ = true;
};

}  // namespace tapeline
