// The file: a header of fixed size, then the driver's own bytes. Drivers check these too, but not all survive
// ones that are damaged, so the header holds their digest.

#include "backends/vulkan/pipeline_cache.h"

#include <array>
#include <cstring>
#include <exception>
#include <fstream>
#include <vector>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/cache_folder.h"
#include "engine/io/digest.h"
#include "engine/warning.h"
#include "shaders/digest.h"

namespace tapeline::vulkan {
namespace {

constexpr std::uintmax_t kMostBytes = std::uintmax_t{256} << 20;

struct Header {
  std::array<char, 8> magic{'T', 'P', 'L', 'V', 'K', 'C', '1', '\n'};
  std::array<std::uint8_t, VK_UUID_SIZE> device{}, driver{}, cache{};
  std::uint32_t driver_version = 0, vendor = 0, model = 0, pad = 0;
  std::array<char, 16> shaders{};
  std::uint64_t bytes = 0, digest = 0;  // of what follows
};
static_assert(sizeof(Header) == 8 + 3 * VK_UUID_SIZE + 16 + 16 + 16);

Header header_of(VkPhysicalDevice device) {
  VkPhysicalDeviceIDProperties id{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                         .pNext = &id};
  vkGetPhysicalDeviceProperties2(device, &properties);
  Header header;
  std::memcpy(header.device.data(), id.deviceUUID, VK_UUID_SIZE);
  std::memcpy(header.driver.data(), id.driverUUID, VK_UUID_SIZE);
  std::memcpy(header.cache.data(), properties.properties.pipelineCacheUUID, VK_UUID_SIZE);
  header.driver_version = properties.properties.driverVersion;
  header.vendor = properties.properties.vendorID;
  header.model = properties.properties.deviceID;
  static_assert(sizeof kShadersDigest == sizeof(Header::shaders) + 1);
  std::memcpy(header.shaders.data(), kShadersDigest, header.shaders.size());
  return header;
}

/// What the file holds for this very header; nothing where there is no such file, or anything is wrong with
/// it.
std::vector<std::byte> read(const std::filesystem::path& path, Header wanted) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size < sizeof(Header) || size > kMostBytes) return {};
  std::vector<std::byte> file(size);
  std::ifstream stream(path, std::ios::binary);
  if (!stream.read(reinterpret_cast<char*>(file.data()), static_cast<std::streamsize>(size))) return {};
  const auto payload = std::span(file).subspan(sizeof(Header));
  wanted.bytes = payload.size();
  wanted.digest = digest(payload);
  if (std::memcmp(file.data(), &wanted, sizeof wanted) != 0) return {};
  return {payload.begin(), payload.end()};
}

}  // namespace

PipelineCache::PipelineCache(std::shared_ptr<LogicalDevice> device) : device_(std::move(device)) {
  const Header header = header_of(device_->physical().handle);
  std::vector<std::byte> kept;
  if (const auto folder = cache_folder()) {
    path_ = *folder / fmt::format("vulkan-{:016x}.bin", digest(std::as_bytes(std::span(&header, 1))));
    kept = read(*path_, header);
  }
  if (!kept.empty()) known_ = digest(kept);
  const VkPipelineCacheCreateInfo info{.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                       .pNext = nullptr,
                                       .flags = 0,
                                       .initialDataSize = kept.size(),
                                       .pInitialData = kept.data()};
  device_->check(vkCreatePipelineCache(device_->handle(), &info, nullptr, &handle_),
                 "making a pipeline cache");
}

PipelineCache::~PipelineCache() { vkDestroyPipelineCache(device_->handle(), handle_, nullptr); }

void PipelineCache::save() noexcept {
  if (!path_) return;
  try {
    std::size_t bytes = 0;
    if (vkGetPipelineCacheData(device_->handle(), handle_, &bytes, nullptr) != VK_SUCCESS || bytes == 0)
      return;
    std::vector<std::byte> file(sizeof(Header) + bytes);
    if (vkGetPipelineCacheData(device_->handle(), handle_, &bytes, file.data() + sizeof(Header)) !=
        VK_SUCCESS)
      return;
    file.resize(sizeof(Header) + bytes);
    Header header = header_of(device_->physical().handle);
    header.bytes = bytes;
    header.digest = digest(std::span(file).subspan(sizeof(Header)));
    if (header.digest == known_) return;
    std::memcpy(file.data(), &header, sizeof header);
    std::filesystem::create_directories(path_->parent_path());
    write_file(*path_, file, Sync::later);
    known_ = header.digest;
  } catch (const std::exception& error) {
    warn(
        fmt::format("compiled shaders cannot be kept, so every start takes longer: {}; TAPELINE_CACHE names "
                    "another folder",
                    error.what()));
  }
}

}  // namespace tapeline::vulkan
