#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/image/image.h"

namespace tapeline {

struct ContactCell {
  Image image;
  std::string caption;
  bool good = true;
};

/// Pictures in rows of `columns` (at least 1), each with its caption below and a bar, green where it is good,
/// red where not. RGB. All cells are as large as the largest picture, which is enlarged or reduced to a
/// sensible size; the others keep their own aspect ratio inside.
Image contact_sheet(const std::vector<ContactCell>& cells, int columns);

/// The same as one HTML file that needs nothing else: pictures are inside, text is escaped, colours follow
/// the reader's light or dark setting. `summary` is a line below the title.
void write_contact_sheet_html(const std::filesystem::path& path, const std::string& title,
                              const std::string& summary, const std::vector<ContactCell>& cells);

}  // namespace tapeline
