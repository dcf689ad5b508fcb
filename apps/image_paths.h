#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tapeline {

struct ImagePath {
  std::string path;
  std::string problem;  // why there is nothing to read: a folder without images, an empty standard input
};

/// One path after the other, then nothing. Does not throw.
using PathSource = std::function<std::optional<ImagePath>()>;

/// Files as they are; of folders all images in them and in their folders, in natural order; for "-" the lines
/// of the standard input, read as they are needed.
PathSource list_images(std::vector<std::string> files_and_folders);

}  // namespace tapeline
