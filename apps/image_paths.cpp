#include "apps/image_paths.h"

#include <algorithm>
#include <deque>
#include <filesystem>

#include "apps/standard_input.h"
#include "engine/error.h"
#include "models/data/file_tree.h"
#include "models/data/natural_order.h"

namespace tapeline {

namespace {

namespace fs = std::filesystem;

std::deque<ImagePath> images_of(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_regular_file(unknown) && has_image_extension(entry->path().string()))
      found.push_back(entry->path().string());
  }
  std::sort(found.begin(), found.end(), natural_less);
  std::deque<ImagePath> images;
  for (std::string& path : found) images.push_back({std::move(path), ""});
  if (error)
    images.push_back({folder, fmt::format("{}: cannot be listed: {}", folder, error.message())});
  else if (images.empty())
    images.push_back(
        {folder, fmt::format("{}: no images (png, jpg, jpeg, bmp, pgm, ppm) in this folder", folder)});
  return images;
}

}  // namespace

PathSource list_images(std::vector<std::string> files_and_folders) {
  std::deque<std::string> arguments(files_and_folders.begin(), files_and_folders.end());
  return [arguments = std::move(arguments), inside = std::deque<ImagePath>(),
          lines = false]() mutable -> std::optional<ImagePath> {
    while (inside.empty()) {
      if (arguments.empty()) return std::nullopt;
      if (arguments.front() == "-") {
        while (const auto line = StandardInput::get().line())
          if (!line->empty()) {
            lines = true;
            return ImagePath{*line, ""};
          }
        arguments.pop_front();
        if (!lines)
          return ImagePath{"-", "the standard input is empty: a picture belongs there, or paths, one a line"};
        continue;
      }
      const std::string path = std::move(arguments.front());
      arguments.pop_front();
      std::error_code error;
      if (!fs::is_directory(path, error)) return ImagePath{path, ""};
      inside = images_of(path);
    }
    ImagePath path = std::move(inside.front());
    inside.pop_front();
    return path;
  };
}

}  // namespace tapeline
