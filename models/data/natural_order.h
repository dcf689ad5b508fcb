#pragma once

#include <string_view>

namespace tapeline {

/// The order in which files are listed: runs of digits compare as numbers (`9.png` before `10.png`), all else
/// byte by byte. The same on every machine, in every locale.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace tapeline
