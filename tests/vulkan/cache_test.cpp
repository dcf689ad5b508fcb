// Compiled shaders on the disk.

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>

#include "backends/registry.h"
#include "engine/io/atomic_file.h"
#include "engine/ops/ops.h"
#include "engine/warning.h"
#include "tests/engine/temporary_folder.h"
#include "tests/vulkan/replaced.h"

namespace tapeline {
namespace {

using testing::Replaced;

PFN_vkCreatePipelineCache true_create;
std::size_t given;  // bytes to the driver
VkResult VKAPI_PTR create(VkDevice device, const VkPipelineCacheCreateInfo* info,
                          const VkAllocationCallbacks* allocator, VkPipelineCache* cache) {
  given = info->initialDataSize;
  return true_create(device, info, allocator, cache);
}

/// Opens a device, computes, closes it. Returns how many bytes of a cache its driver was given.
std::size_t use_device() {
  const Device keeps_the_functions = open_device("vulkan");
  true_create = vkCreatePipelineCache;
  const Replaced watched(vkCreatePipelineCache, PFN_vkCreatePipelineCache(create));
  CHECK(exp(Tensor::zeros(open_device("vulkan"), {3})).to_vector<float>() == std::vector<float>(3, 1.0f));
  return given;
}

class CacheIn {
 public:
  explicit CacheIn(const std::filesystem::path& folder) { ::setenv("TAPELINE_CACHE", folder.c_str(), 1); }
  ~CacheIn() { ::unsetenv("TAPELINE_CACHE"); }
  CacheIn(const CacheIn&) = delete;
  CacheIn& operator=(const CacheIn&) = delete;
};

}  // namespace

TEST_CASE("cache: kept for the next start, ignored where it is damaged or another's, and made anew then") {
  const TemporaryFolder folder;
  const CacheIn cache(folder / "not" / "there yet");
  CHECK(use_device() == 0);
  const std::filesystem::path place = folder / "not" / "there yet";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(place)) files.push_back(entry.path());
  REQUIRE(files.size() == 1);
  const std::string good = read_text(files[0]);
  const std::size_t bytes = use_device();
  CHECK(bytes > 0);
  CHECK(bytes < good.size());

  const auto damaged = [&](std::string text) {
    write_file(files[0], text);
    CHECK(use_device() == 0);
    CHECK(read_text(files[0]) == good);
  };
  damaged("");
  damaged("random bytes \x01\x02\x03");
  damaged(std::string(5000, '\xff'));
  damaged(good.substr(0, good.size() - 1));
  damaged(good + "x");
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{8}, std::size_t{24}, std::size_t{60}, std::size_t{75}, good.size() - 1}) {
    std::string text = good;
    text[at] = static_cast<char>(text[at] ^ 1);
    damaged(text);
  }
  CHECK(use_device() == bytes);
}

TEST_CASE("cache: a folder that cannot be written is worth one warning") {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  const CacheIn cache(folder / "file" / "cache");
  std::vector<std::string> warnings;
  on_warning([&](const std::string& text) { warnings.push_back(text); });
  use_device();
  use_device();
  on_warning({});
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("TAPELINE_CACHE") != std::string::npos);
  CHECK(warnings[0].find((folder / "file" / "cache").string()) != std::string::npos);
}

}  // namespace tapeline
