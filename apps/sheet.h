#pragma once

#include <string>
#include <vector>

#include "models/image/contact_sheet.h"

namespace tapeline {

/// --html FILE and --png FILE: pictures with what was read in them. Keeps the first so many, reduced to
/// thumbnails.
class Sheet {
 public:
  static constexpr std::size_t kMostHtml = 1000, kMostPng = 200;

  std::string html, png;

  /// Whether add() would still keep anything.
  bool wanted() const;
  void add(const Image& image, std::string caption, bool good);
  /// Writes the files that were asked for.
  void write(const std::string& title, const std::string& summary) const;

 private:
  std::vector<ContactCell> cells_;
};

}  // namespace tapeline
