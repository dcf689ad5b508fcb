// The file: a header of fixed size, then the driver's own bytes. Drivers check these too, but not all survive
// ones that are damaged, so the header holds their digest.

#include "backends/vulkan/pipeline_cache.h"

#include <array>
#include <cstring>
#include <exception>
#include <fstream>
#include <vector>

#include "backends/vulkan/identity.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/digest.h"
#include "engine/warning.h"

namespace tapeline::vulkan {
namespace {

constexpr std::uintmax_t kMostBytes = std::uintmax_t{256} << 20;

struct Header {
  std::array<char, 8> magic{'T', 'P', 'L', 'V', 'K', 'C', '2', '\n'};
  Identity identity;
  std::uint64_t bytes = 0, digest = 0;  // of what follows
};
static_assert(sizeof(Header) == 8 + sizeof(Identity) + 16);

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
  const Identity identity = identity_of(device_->physical());
  path_ = file_of(identity, "bin");
  std::vector<std::byte> kept;
  if (path_) kept = read(*path_, {.identity = identity});
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
    Header header{.identity = identity_of(device_->physical())};
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
