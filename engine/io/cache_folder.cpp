#include "engine/io/cache_folder.h"

#include <cstdlib>

namespace tapeline {

std::optional<std::filesystem::path> cache_folder() {
  const auto variable = [](const char* name) -> std::optional<std::filesystem::path> {
    const char* text = std::getenv(name);
    return text && *text ? std::optional<std::filesystem::path>(text) : std::nullopt;
  };
  if (const auto own = variable("TAPELINE_CACHE")) return own;
  if (const auto xdg = variable("XDG_CACHE_HOME"); xdg && xdg->is_absolute()) return *xdg / "tapeline";
  if (const auto home = variable("HOME")) return *home / ".cache" / "tapeline";
  return std::nullopt;
}

}  // namespace tapeline
