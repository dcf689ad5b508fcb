#pragma once

#include <filesystem>
#include <optional>

namespace tapeline {

/// Where this program may keep what it can make again: the environment variable TAPELINE_CACHE, else
/// $XDG_CACHE_HOME/tapeline, else ~/.cache/tapeline. Nothing where none of them is set. The folder need not
/// be there.
std::optional<std::filesystem::path> cache_folder();

}  // namespace tapeline
