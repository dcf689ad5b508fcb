// Devices that are lost, that hang, that have too little: one clear error, then and at whatever is asked
// later, and a training keeps its last checkpoint.

#include <doctest/doctest.h>

#include <filesystem>

#include "backends/registry.h"
#include "backends/vulkan/backend.h"
#include "engine/ops/ops.h"
#include "models/training/trainer.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"
#include "tests/vulkan/replaced.h"

namespace tapeline {
namespace {

using testing::Replaced;

VkDevice waited_for = VK_NULL_HANDLE;
template <VkResult result>
VkResult VKAPI_PTR wait_fails(VkDevice device, std::uint32_t, const VkFence*, VkBool32, std::uint64_t) {
  waited_for = device;
  return result;
}

std::string checkpoint, kept;
PFN_vkWaitForFences true_wait;
VkResult VKAPI_PTR wait_fails_after_checkpoint(VkDevice device, std::uint32_t count, const VkFence* fences,
                                               VkBool32 all, std::uint64_t patience) {
  if (!std::filesystem::exists(checkpoint)) return true_wait(device, count, fences, all, patience);
  if (kept.empty()) kept = read_text(checkpoint);
  return VK_ERROR_DEVICE_LOST;
}

VkResult VKAPI_PTR submit_fails(VkQueue, std::uint32_t, const VkSubmitInfo*, VkFence) {
  return VK_ERROR_DEVICE_LOST;
}

PFN_vkGetPhysicalDeviceProperties true_properties;
void VKAPI_PTR few_buffers(VkPhysicalDevice device, VkPhysicalDeviceProperties* properties) {
  true_properties(device, properties);
  properties->limits.maxPerStageDescriptorStorageBuffers = 4;
}
void VKAPI_PTR old_driver(VkPhysicalDevice device, VkPhysicalDeviceProperties* properties) {
  true_properties(device, properties);
  properties->apiVersion = VK_API_VERSION_1_0;
}

TrainOptions tiny(const std::string& output) {
  TrainOptions options;
  options.network = "[1,20,60,1 Cl3,3,4,2,2 Bn Ar Mp2,2 S1(1x0)1,3 Lfx6 O1c]";
  options.data = "synth:expressions?seed=3&count=16";
  options.training = open_dataset(options.data);
  options.output = output;
  options.steps = 6;
  options.batch = 4;
  options.evaluate_every = 2;
  return options;
}

}  // namespace

TEST_CASE("faults: a device that is lost while it is waited for is named with the kernel, then and later") {
  const Device device = open_device("vulkan");
  const Tensor x = Tensor::full(device, {5}, 2);
  const std::string id = device->describe().id;
  x.to_vector<float>();
  const Tensor y = exp(x);
  {
    const Replaced lost(vkWaitForFences, PFN_vkWaitForFences(wait_fails<VK_ERROR_DEVICE_LOST>));
    const std::string first = error_of([&] { y.to_vector<float>(); });
    CAPTURE(first);
    CHECK(has(first, id + ": waiting for unary failed with VK_ERROR_DEVICE_LOST"));
    CHECK(has(first, "last checkpoint"));
  }
  CHECK(has(error_of([&] { y.to_vector<float>(); }), "VK_ERROR_DEVICE_LOST"));
  CHECK(has(error_of([&] { exp(x); }), "VK_ERROR_DEVICE_LOST"));
  CHECK(has(error_of([&] { device->synchronize(); }), "VK_ERROR_DEVICE_LOST"));
  CHECK(exp(Tensor::zeros(open_device("vulkan"), {2})).to_vector<float>() == std::vector<float>{1, 1});
}

TEST_CASE("faults: work that cannot be submitted is named") {
  const Device device = open_device("vulkan");
  const Tensor x = Tensor::full(device, {5}, 2);
  x.to_vector<float>();
  const Replaced lost(vkQueueSubmit, PFN_vkQueueSubmit(submit_fails));
  const std::string first = error_of([&] { tanh(exp(x)).to_vector<float>(); });
  CAPTURE(first);
  CHECK(
      has(first, "submitting 2 kernels, from unary to activation_forward failed with VK_ERROR_DEVICE_LOST"));
}

TEST_CASE("faults: a queue that hangs is given up, and the program can end") {
  Device device = open_device("vulkan");
  Tensor x = Tensor::full(device, {5}, 2);
  x.to_vector<float>();
  {
    const Replaced hangs(vkWaitForFences, PFN_vkWaitForFences(wait_fails<VK_TIMEOUT>));
    const std::string first = error_of([&] { exp(x).to_vector<float>(); });
    CAPTURE(first);
    CHECK(has(first, "waiting for unary failed with VK_TIMEOUT"));
    CHECK(has(first, "does not answer"));
  }
  const Replaced never(vkDeviceWaitIdle, PFN_vkDeviceWaitIdle([](VkDevice) -> VkResult {
                         FAIL_CHECK("a device that hangs was waited for");
                         return VK_SUCCESS;
                       }));
  x = {};
  device = {};
  CHECK_FALSE(device_left_at_work());  // it has answered since
}

TEST_CASE("faults: a queue that hangs to the end is told of") {
  Device device = open_device("vulkan");
  Tensor x = Tensor::full(device, {5}, 2);
  x.to_vector<float>();
  {
    const Replaced hangs(vkWaitForFences, PFN_vkWaitForFences(wait_fails<VK_TIMEOUT>));
    CHECK(has(error_of([&] { exp(x).to_vector<float>(); }), "does not answer"));
    x = {};
    device = {};
  }
  CHECK(device_left_at_work());
  vkDeviceWaitIdle(waited_for);  // which nobody has destroyed
}

TEST_CASE("faults: a training that loses its device keeps its last checkpoint, and goes on elsewhere") {
  const TemporaryFolder folder;
  TrainOptions options = tiny((folder / "run").string());
  checkpoint = options.output + "/last.safetensors";
  kept.clear();
  {
    const Device device = open_device("vulkan");
    true_wait = vkWaitForFences;
    const Replaced lost(vkWaitForFences, PFN_vkWaitForFences(wait_fails_after_checkpoint));
    const std::string error = error_of([&] { train(options, device, {}); });
    CAPTURE(error);
    CHECK(has(error, "VK_ERROR_DEVICE_LOST"));
  }
  REQUIRE(!kept.empty());
  CHECK(read_text(checkpoint) == kept);
  options.resume = true;
  CHECK(train(options, open_device("cpu"), {}).step == 6);
}

TEST_CASE("faults: a device without what is needed is listed with the reason, and refused by name") {
  const Device open = open_device("vulkan");  // keeps the functions that are replaced
  const std::string id = open->describe().id;
  true_properties = vkGetPhysicalDeviceProperties;
  const auto check = [&](PFN_vkGetPhysicalDeviceProperties by, const std::string& reason) {
    const Replaced replaced(vkGetPhysicalDeviceProperties, by);
    CHECK(has(list_vulkan().at(0).reason, reason));
    const std::string refused = error_of([&] { open_device(id); });
    CAPTURE(refused);
    CHECK(has(refused, id));
    CHECK(has(refused, reason));
    CHECK(has(error_of([&] { open_device("vulkan"); }), reason));
    for (const DeviceEntry& entry : list_devices())
      if (entry.info.id == id) CHECK(!entry.usable);
  };
  check(few_buffers, "4 storage buffers (of 8)");
  check(old_driver, "less than Vulkan 1.1");
}

}  // namespace tapeline
