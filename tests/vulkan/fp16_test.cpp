// --precision fp16: which factors are rounded to what, devices that do not compute in it, and networks for
// whose values it does not do. (The op table asks for products of factors that already are fp16.)

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/registry.h"
#include "backends/vulkan/backend.h"
#include "backends/vulkan/variants.h"
#include "engine/half.h"
#include "engine/ops/ops.h"
#include "engine/random.h"
#include "models/recognizer/recognizer.h"
#include "tests/apps/program.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"
#include "tests/vulkan/replaced.h"

namespace tapeline {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::string refusal() {
  return error_of([] { open_device("vulkan", {.precision = Precision::fp16}); });
}

bool offers_fp16(const Device& device) {
  const auto precisions = device->describe().precisions;
  return std::find(precisions.begin(), precisions.end(), Precision::fp16) != precisions.end();
}

void check_refused(const std::string& message) {
  CHECK(has(message, "vulkan:0"));
  CHECK(has(message, "does not compute in fp16; choose --precision fp32, or another --device"));
}

/// Every path on which products are taken.
std::vector<std::string> all_tiles() {
  std::vector<std::string> names;
  for (const vulkan::Variant variant : vulkan::kVariants) names.emplace_back(name_of(variant));
  return names;
}

void hide_fp16(VkPhysicalDevice, VkPhysicalDeviceFeatures2* features) {
  features->features = {};
  for (auto* next = static_cast<VkBaseOutStructure*>(features->pNext); next; next = next->pNext)
    if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES)
      reinterpret_cast<VkPhysicalDeviceShaderFloat16Int8Features*>(next)->shaderFloat16 = VK_FALSE;
}

/// Reads well, but what its first layer says is beyond 65504, and its second layer makes small again.
Model far_too_large(const Device& device) {
  Model model = make_model("[1,16,0,1 Cr3,3,4,2,2 Cr3,3,8 Mp2,1 S1(1x0)1,3 Lbx8 O1c]",
                           Charset("0123456789+-*()"), device, 7);
  float factor = 0x1p15f;
  for (const NamedTensor& p : model.network->state().parameters) {
    if (p.tensor.shape().rank() != 4) continue;
    std::vector<float> values = p.tensor.to_vector<float>();
    for (float& v : values) v *= factor;
    p.tensor.upload(values);
    factor = 1 / factor;
  }
  return model;
}

Image noise(int width) {
  Random random(static_cast<std::uint64_t>(width));
  Image image(width, 16, 1);
  for (auto& pixel : image.pixels) pixel = static_cast<std::uint8_t>(random.below(256));
  return image;
}

}  // namespace

TEST_CASE("fp16: a device without it says so, and does not list it") {
  const Device open = open_device("vulkan");
  {
    const testing::Replaced without(vkGetPhysicalDeviceFeatures2, &hide_fp16);
    check_refused(refusal());
    CHECK_FALSE(offers_fp16(open_device("vulkan")));
  }
  CHECK(offers_fp16(open) == refusal().empty());
}

TEST_CASE("fp16: factors are rounded to nearest, and beyond its range infinite; sums and biases are not") {
  if (!offers_fp16(open_device("vulkan"))) return check_refused(refusal());
  std::vector<float> values = {0,        1,          -1 - 0x1p-11f, 1 + 0x1.8p-10f, 65504,
                               65519.9f, 65520,      -1e30f,        1e-30f,         0x1p-14f,
                               0x1p-24f, 0x1.8p-25f, 3.1f,          -kInfinity};
  Random random(1);
  while (values.size() < 301) values.push_back(std::ldexp(random.uniform(-1, 1), int(random.below(34)) - 16));
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<float> finite(values.begin(), values.begin() + 37 * 8), identity(8 * 8);
  for (float& v : finite)
    if (!std::isfinite(half_to_float(float_to_half(v)))) v = 2;
  for (std::size_t i = 0; i < 8; ++i) identity[i * 9] = 1;
  for (const std::string& tiles : all_tiles()) {
    CAPTURE(tiles);
    setenv("TAPELINE_VULKAN_TILES", tiles.c_str(), 1);
    const Device device = open_device("vulkan", {.precision = Precision::fp16});
    CHECK(device->precision() == Precision::fp16);
    const Tensor x = Tensor::from(device, {count, 1}, values), one = Tensor::full(device, {1, 1}, 1),
                 bias = Tensor::full(device, {1}, 0x1p-13f);
    Tensor w = Tensor::full(device, {1, 1}, 1), b = Tensor::full(device, {1}, 0);
    w.set_requires_grad(), b.set_requires_grad();
    const std::vector<float> left = matmul(x, one).to_vector<float>(),
                             right = matmul(one, x, false, true).to_vector<float>(),
                             biased = linear(one, one, bias).to_vector<float>();
    const auto check = [](float value, float found) {
      CAPTURE(value);
      const float wanted = half_to_float(float_to_half(value));
      // Devices may take what is below 2^-14 for 0.
      const bool may_vanish = std::abs(wanted) < 0x1p-14f;
      CHECK((found == wanted || (may_vanish && found == 0)));
    };
    for (std::size_t i = 0; i < values.size(); ++i) check(values[i], left[i]), check(values[i], right[i]);
    // Enough channels for cooperative matrices.
    const Tensor many = Tensor::from(device, {37, 8}, finite), unit = Tensor::from(device, {8, 8}, identity);
    const std::vector<float> same = matmul(many, unit).to_vector<float>();
    for (std::size_t i = 0; i < finite.size(); ++i) check(finite[i], same[i]);
    CHECK(biased[0] == 1 + 0x1p-13f);

    const Tensor image = Tensor::full(device, {1, 2, 3, 1}, 1),
                 window = Tensor::full(device, {1, 1, 1, 1}, 1);
    conv2d(image, reshape(w, {1, 1, 1, 1}), b).backward(Tensor::full(device, {1, 2, 3, 1}, 1 + 0x1p-13f));
    CHECK(w.grad().to_vector<float>()[0] == 6);                   // a product
    CHECK(b.grad().to_vector<float>()[0] == 6 * (1 + 0x1p-13f));  // a sum
  }
  unsetenv("TAPELINE_VULKAN_TILES");
}

TEST_CASE("fp16: a network beyond its range is read in fp32, and everybody is told") {
  if (!offers_fp16(open_device("vulkan"))) return check_refused(refusal());
  const Model plain = far_too_large(open_device("vulkan")),
              half = far_too_large(open_device("vulkan", {.precision = Precision::fp16}));
  const std::vector<Image> images = {noise(40), noise(90), noise(41)};
  Recognizer in_fp32(plain), helped(half);
  int asked = 0;
  helped.when_not_finite([&] {
    ++asked;
    return far_too_large(open_device("vulkan"));
  });
  const std::vector<Reading> wanted = in_fp32.read(images), found = helped.read(images, 2);
  for (std::size_t i = 0; i < images.size(); ++i) {
    CHECK(std::isfinite(wanted[i].confidence));
    CHECK(found[i].text == wanted[i].text);
    CHECK(found[i].confidence == wanted[i].confidence);
  }
  helped.read(images);
  CHECK(asked == 1);
  CHECK(helped.model().network->device()->precision() == Precision::fp32);

  const TemporaryFolder folder;
  const std::string path = (folder / "large.safetensors").string();
  save_model(path, plain);
  CHECK(run({"synth", "expressions", "--output", (folder / "images").string(), "--count", "9"}).status == 0);
  const auto read = [&](const std::string& precision) {
    return run({"recognize", path, (folder / "images").string(), "--device", "vulkan", "--precision",
                precision, "--batch", "4"});
  };
  const Outcome lines = read("fp32"), same = read("fp16");
  CHECK(same.status == 0);
  CHECK(same.out == lines.out);
  CHECK(has(same.err, "in fp16 what vulkan:0 makes of these pictures is not finite"));
  CHECK(same.err.find("not finite") == same.err.rfind("not finite"));
  CHECK_FALSE(has(lines.err, "finite"));
  const auto evaluate = [&](const std::string& precision) {
    return run({"evaluate", path, "--data", (folder / "images").string(), "--device", "vulkan", "--precision",
                precision});
  };
  const Outcome numbers = evaluate("fp16");
  CHECK(numbers.out == evaluate("fp32").out);
  CHECK(has(numbers.err, "not finite"));
  const Outcome verified = run(
      {"verify", path, "--devices", "vulkan", "--precision", "fp16", "--data", (folder / "images").string()});
  CHECK(verified.status == 1);
  CHECK(has(verified.out, "Out of tolerance (0.01) first: layer 2: Cr3,3,8"));
  CHECK(has(verified.out, "vulkan:0 is off in fp16; in fp32:"));
  CHECK(has(verified.out, "Every layer is within the tolerance, 0.0001 of its largest value."));
}

}  // namespace tapeline
