#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "backends/vulkan/logical_device.h"

namespace tapeline::vulkan {

/// Whose a file in cache_folder() is: of one device, driver and width of subgroups, and of one set of
/// shaders. Without padding: its bytes are written and compared.
struct Identity {
  std::array<std::uint8_t, VK_UUID_SIZE> device{}, driver{}, cache{};
  std::uint32_t driver_version = 0, vendor = 0, model = 0, lanes = 0;
  std::array<char, 16> shaders{};
};
static_assert(sizeof(Identity) == 3 * VK_UUID_SIZE + 16 + 16);

Identity identity_of(const PhysicalDevice& device);

/// "vulkan-0123456789abcdef.bin" in cache_folder(); nothing where there is no such folder.
std::optional<std::filesystem::path> file_of(const Identity& identity, std::string_view extension);

}  // namespace tapeline::vulkan
