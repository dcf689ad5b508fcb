#pragma once

#include <string>
#include <vector>

namespace tapeline {

/// Rows of text in columns, for people. Columns that hold numbers (in all rows but the first) stand at the
/// right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  /// As many cells as the header has; each as printable() has it.
  void add(std::vector<std::string> row);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tapeline
