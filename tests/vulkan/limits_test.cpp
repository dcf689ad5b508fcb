// What a device cannot reach at once is done in parts, and gives the same bits.

#include <doctest/doctest.h>
#include <stdlib.h>

#include "backends/registry.h"
#include "engine/autograd.h"
#include "engine/counters.h"
#include "engine/ops/ops.h"
#include "engine/optim/optimizer.h"
#include "engine/program.h"
#include "engine/random.h"
#include "tests/errors.h"
#include "tests/vulkan/replaced.h"

namespace tapeline {
namespace {

using testing::Replaced;

PFN_vkGetPhysicalDeviceProperties true_properties;
std::uint32_t reach;
void VKAPI_PTR short_reach(VkPhysicalDevice device, VkPhysicalDeviceProperties* properties) {
  true_properties(device, properties);
  properties->limits.maxStorageBufferRange = reach;
}

void VKAPI_PTR of_vulkan_1_1(VkPhysicalDevice device, VkPhysicalDeviceProperties* properties) {
  true_properties(device, properties);
  properties->apiVersion = VK_API_VERSION_1_1;
}
VkResult VKAPI_PTR no_extensions(VkPhysicalDevice, const char*, std::uint32_t* count,
                                 VkExtensionProperties*) {
  *count = 0;
  return VK_SUCCESS;
}

/// A device whose shaders reach so many bytes of a buffer.
Device device_that_reaches(std::uint32_t bytes) {
  const Device keeps_the_functions = open_device("vulkan");
  true_properties = vkGetPhysicalDeviceProperties;
  reach = bytes;
  const Replaced replaced(vkGetPhysicalDeviceProperties, PFN_vkGetPhysicalDeviceProperties(short_reach));
  return open_device("vulkan");
}

Tensor drawn(const Device& device, const Shape& shape, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& v : values) v = random.uniform(-1, 1);
  return Tensor::from(device, shape, values);
}

/// One of each kernel that can be cut, on seventy images.
std::vector<std::vector<float>> layers(const Device& device) {
  const NoGrad no_tape;
  const Tensor x = drawn(device, {70, 2, 5, 16}, 1), w = drawn(device, {3, 3, 16, 16}, 2),
               ones = Tensor::full(device, {16}, 1), row = drawn(device, {1, 2, 1, 16}, 3);
  std::vector<std::int32_t> own(70);
  for (int n = 0; n < 70; ++n) own[static_cast<std::size_t>(n)] = n % 6;
  const Tensor widths = Tensor::from(device, {70}, own);
  std::vector<std::vector<float>> results;
  const auto keep = [&](const Tensor& y) {
    results.push_back(y.to_vector<float>());
    return y;
  };
  Tensor y = keep(conv2d(x, w, {}, {.activation = {ActivationKind::relu, 0}}));
  y = keep(mask_columns(y, widths));
  y = keep(batch_norm_inference(y, ones, {}, drawn(device, {16}, 4), ones, {}, widths));
  y = keep(tanh(y));
  y = keep(y * row + x);
  y = keep(exp(scale(y, .5)));
  keep(max_pool2d(y, {}, widths));
  const Tensor flat = reshape(y, {700, 16});
  keep(matmul(flat, drawn(device, {16, 8}, 5)));
  keep(log_softmax(flat));
  keep(cast(cast(flat, DType::f16), DType::f32));
  keep(Tensor::full(device, {70, 5000}, 3));
  const Tensor wide = drawn(device, {90, 7, 60}, 19);
  keep(permute(wide, {1, 0, 2}));
  keep(permute(wide, {2, 1, 0}));
  keep(concatenate({wide, wide}, 1));
  keep(cast(permute(cast(wide, DType::f16), {2, 0, 1}), DType::f32));
  const Tensor seed = Tensor::from<std::int32_t>(device, {3}, {1, 2, 3});
  keep(dropout(wide, .3f, seed, 5));
  return results;
}

/// One of each kernel that sums over images, on seventy of them, and of each that comes with it in a
/// training.
std::vector<std::vector<float>> sums(const Device& device) {
  std::vector<std::vector<float>> results;
  const auto keep = [&](const Tensor& t) { results.push_back(t.to_vector<float>()); };
  std::vector<std::int32_t> own(70), labels(70, 1), ones(70, 1);
  for (int n = 0; n < 70; ++n) own[static_cast<std::size_t>(n)] = 1 + n % 5;
  const Tensor widths = Tensor::from(device, {70}, own);
  const auto leaf = [&](const Shape& shape, std::uint64_t seed) {
    return drawn(device, shape, seed).set_requires_grad();
  };
  for (const int groups : {1, 16}) {
    const Tensor x = leaf({70, 2, 5, 16}, 1), w = leaf({3, 3, 16 / groups, 16}, 2), b = leaf({16}, 3);
    const Tensor scale = leaf({16}, 4), offset = leaf({16}, 5);
    const Tensor means = Tensor::full(device, {16}, 0), variances = Tensor::full(device, {16}, 1);
    Conv2dOptions options;
    options.groups = groups;
    const Tensor c = conv2d(x, w, b, options),
                 y = batch_norm_training(c, scale, offset, means, variances, {}, widths);
    (y * y + c).backward(drawn(device, y.shape(), 7));
    for (const Tensor& t : {y, x.grad(), w.grad(), b.grad(), scale.grad(), offset.grad(), means, variances})
      keep(t);
  }
  const Tensor flat = leaf({1400, 8}, 8), weight = leaf({8, 12}, 9);
  matmul(flat, weight).backward(drawn(device, {1400, 12}, 10));
  keep(flat.grad()), keep(weight.grad());
  const Tensor frames = leaf({70, 5, 6}, 11), w_ih = leaf({6, 64}, 12), w_hh = leaf({2, 8, 32}, 13);
  const Tensor states = lstm(frames, w_ih, w_hh, {}, {.directions = 2}, widths);
  states.backward(drawn(device, states.shape(), 18));
  keep(states), keep(frames.grad()), keep(w_ih.grad()), keep(w_hh.grad());
  const Tensor logits = leaf({70, 5, 40}, 14);
  const Tensor loss =
      ctc_loss(logits, Tensor::from(device, {70, 1}, labels), Tensor::from(device, {70}, ones), widths);
  sum(loss).backward();
  keep(loss), keep(logits.grad());
  const Tensor z = drawn(device, {70, 300}, 15);
  keep(sum(z)), keep(mean(z, {0})), keep(mean(z, {1})), keep(maximum(z, {0, 1}));
  const Tensor p = leaf({20'000}, 16);
  const Optimizer optimizer({{"p", p}}, {}, {}, 1);
  (p * drawn(device, {20'000}, 17)).backward(Tensor::full(device, {20'000}, 1));
  optimizer.prepare(0, .1);
  optimizer.step();
  keep(p), keep(optimizer.gradient_norm());
  return results;
}

void check_close(const std::vector<std::vector<float>>& results,
                 const std::vector<std::vector<float>>& wanted) {
  REQUIRE(results.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CAPTURE(i);
    REQUIRE(results[i].size() == wanted[i].size());
    double largest = 0;
    for (const float v : wanted[i]) largest = std::max(largest, std::abs(double{v}));
    CHECK(largest > 0);
    std::int64_t off = 0;
    for (std::size_t k = 0; k < wanted[i].size(); ++k)
      off += !(std::abs(double{results[i][k]} - wanted[i][k]) <= 1e-5 * largest);
    CHECK(off == 0);
  }
}

}  // namespace

TEST_CASE("limits: operands beyond a shader's reach are taken a few images at a time") {
  const auto whole = layers(open_device("vulkan"));
  const auto parts = layers(device_that_reaches(44'000));  // an image has 640 bytes
  REQUIRE(whole.size() == parts.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    CAPTURE(i);
    CHECK((whole[i] == parts[i]));
  }
}

TEST_CASE("limits: what sums over images beyond a shader's reach is put together from parts") {
  const auto whole = sums(open_device("vulkan"));
  const Device small = device_that_reaches(44'000);
  const auto parts = sums(small);
  check_close(parts, whole);
  CHECK((parts == sums(small)));
  CHECK((parts != whole));  // in the order of the sums, so they were taken in parts
}

TEST_CASE("limits: what cannot be taken in parts is refused, with the kernel and its shapes") {
  const Device device = device_that_reaches(20'000);
  const std::string image_error = error_of([&] { max_pool2d(Tensor::full(device, {2, 60, 180, 4}, 1)); });
  CAPTURE(image_error);
  CHECK(image_error.find("kernel max_pool2d_forward [2, 60, 180, 4]") != std::string::npos);
  CHECK(image_error.find("smaller batch") != std::string::npos);
}

TEST_CASE("limits: a device of Vulkan 1.1 without any extension is served") {
  const Device now = open_device("vulkan");
  true_properties = vkGetPhysicalDeviceProperties;
  const Replaced older(vkGetPhysicalDeviceProperties, PFN_vkGetPhysicalDeviceProperties(of_vulkan_1_1));
  const Replaced bare(vkEnumerateDeviceExtensionProperties,
                      PFN_vkEnumerateDeviceExtensionProperties(no_extensions));
  const Device then = open_device("vulkan");
  CHECK(then->describe().name.find("Vulkan 1.1, ") != std::string::npos);
  check_close(layers(then), layers(now));
  check_close(sums(then), sums(now));
}

TEST_CASE("limits: more than 65,535 workgroups go to a second dimension") {
  constexpr std::int64_t kCount = 65'535 * 64 + 1000;
  const Device device = open_device("vulkan");
  const auto values = scale(Tensor::full(device, {kCount}, 1), 3).to_vector<float>();
  CHECK(std::all_of(values.begin(), values.end(), [](float v) { return v == 3; }));
}

TEST_CASE("limits: a program is one submission, or as many as keep each short, with the same bits") {
  const auto run = [](const char* longest) {
    ::setenv("TAPELINE_VULKAN_SUBMIT_MS", longest, 1);
    const Device device = open_device("vulkan");
    const NoGrad no_tape;
    const Tensor x = drawn(device, {4, 9}, 6);
    Tensor y;
    Program program = record([&] { y = matmul(tanh(exp(x)), drawn(device, {9, 3}, 7)); });
    program.compile();
    std::vector<std::vector<float>> results;
    std::int64_t submissions = 0;
    for (int i = 0; i < 4; ++i) {
      const std::int64_t before = counters_of(*device).submissions;
      program.replay();
      submissions = counters_of(*device).submissions - before;
      results.push_back(y.to_vector<float>());
      CHECK((results[0] == results.back()));
    }
    ::unsetenv("TAPELINE_VULKAN_SUBMIT_MS");
    return std::pair{submissions, results[0]};
  };
  const auto [one, whole] = run("0");
  const auto [several, parts] = run("0.00001");
  CHECK(one == 1);
  CHECK(several >= 3);
  CHECK((whole == parts));
  ::setenv("TAPELINE_VULKAN_SUBMIT_MS", "soon", 1);
  CHECK(error_of([] { open_device("vulkan"); }).find("TAPELINE_VULKAN_SUBMIT_MS=soon") != std::string::npos);
  ::unsetenv("TAPELINE_VULKAN_SUBMIT_MS");
}

}  // namespace tapeline
