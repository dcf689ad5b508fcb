// Which variant of a kernel is taken: by the environment, by what was measured, by default; and what was
// measured, on the disk.

#include "backends/vulkan/variants.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "backends/registry.h"
#include "engine/autograd.h"
#include "engine/io/atomic_file.h"
#include "engine/io/digest.h"
#include "engine/ops/ops.h"
#include "engine/random.h"
#include "engine/tuning.h"
#include "tests/engine/temporary_folder.h"

namespace tapeline {
namespace {

using namespace vulkan;
using Choice = Variants::Choice;

class Set {
 public:
  Set(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Set() { ::unsetenv(name_); }
  Set(const Set&) = delete;
  Set& operator=(const Set&) = delete;

 private:
  const char* name_;
};

const Task kTask{Family::product, 27, 16};

/// Every class of the families that are measured, with this variant.
Choice all_with(Variant variant) {
  Choice choice;
  for (const Family family : kFamilies)
    for (int inner = 0; inner < 3; ++inner)
      for (int outputs = 0; outputs < 3; ++outputs) choice[{family, inner, outputs}] = variant;
  return choice;
}

// While some device is open.
PhysicalDevice first_device() { return list_devices(*Instance::open()).at(0); }

Tensor drawn(const Device& device, const Shape& shape, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& v : values) v = random.uniform(-1, 1);
  return Tensor::from(device, shape, values);
}

/// A convolution of `count` images that begin alike, and its gradients.
std::vector<std::vector<float>> computed(std::int64_t count, Precision precision = Precision::fp32) {
  const Device device = open_device("vulkan", {.precision = precision});
  Tensor x = drawn(device, {count, 6, 9, 8}, 1), w = drawn(device, {3, 3, 8, 8}, 2);
  x.set_requires_grad(), w.set_requires_grad();
  const Tensor y = conv2d(x, w, {});
  sum(y * y).backward();
  return {y.to_vector<float>(), x.grad().to_vector<float>(), w.grad().to_vector<float>()};
}

bool begins_with(const std::vector<float>& all, const std::vector<float>& some) {
  return std::equal(some.begin(), some.end(), all.begin());
}

}  // namespace

TEST_CASE("variants: the one asked for where it fits, else the one measured, else the first that fits") {
  const TemporaryFolder folder;
  const Set cache("TAPELINE_CACHE", folder.path().string());
  CHECK(Variants::only(Variant::shared).choose(kTask, {{Variant::lanes}, {Variant::shared}}) ==
        Variant::shared);
  CHECK(Variants::only(Variant::shared_32).choose(kTask, {{Variant::lanes}, {Variant::shared}}) ==
        Variant::lanes);
  CHECK(Variants::only(Variant::lanes).choose(kTask, {{Variant::lanes, false}, {Variant::shared}}) ==
        Variant::shared);

  const Device keeps_the_functions = open_device("vulkan");
  const PhysicalDevice device = first_device();
  const auto candidates = {Candidate{Variant::lanes}, Candidate{Variant::shared},
                           Candidate{Variant::shared_32}};
  CHECK(Variants::of(device).choose(kTask, candidates) == Variant::lanes);
  write_choice(identity_of(device), {{class_of(kTask), Variant::shared_32}});
  CHECK(Variants::of(device).choose(kTask, candidates) == Variant::shared_32);
  CHECK(Variants::of(device).choose({Family::product, 27, 999}, candidates) == Variant::lanes);
  CHECK(Variants::of(device).choose({Family::turn, 27, 16}, candidates) == Variant::lanes);
  CHECK(Variants::of(device).choose(kTask, {{Variant::lanes}, {Variant::shared}}) == Variant::lanes);
  {
    const Set forced("TAPELINE_VULKAN_TILES", "shared");
    CHECK(Variants::of(device).choose(kTask, candidates) == Variant::shared);
  }
  const Set unknown("TAPELINE_VULKAN_TILES", "round");
  CHECK_THROWS_WITH_AS(Variants::of(device),
                       doctest::Contains("TAPELINE_VULKAN_TILES=round is none of lanes, shared"), Error);
}

TEST_CASE("variants: what was kept counts only whole, and for this device") {
  const TemporaryFolder folder;
  const Set cache("TAPELINE_CACHE", (folder / "not" / "there yet").string());
  const Identity mine{.vendor = 1}, another{.vendor = 1, .lanes = 4};
  CHECK_FALSE(read_choice(mine));
  const Choice choice = all_with(Variant::shared);
  write_choice(mine, choice);
  CHECK(read_choice(mine) == choice);
  CHECK_FALSE(read_choice(another));
  CHECK_FALSE(read_choice(mine, Precision::fp16));
  write_choice(mine, all_with(Variant::cooperative), Precision::fp16);
  CHECK(read_choice(mine, Precision::fp16) == all_with(Variant::cooperative));
  CHECK(read_choice(mine) == choice);
  const std::filesystem::path path = *file_of(mine, "choice");
  const std::string good = read_text(path);

  write_file(*file_of(another, "choice"), good);  // under its name, but not its own
  CHECK_FALSE(read_choice(another));
  const auto damaged = [&](const std::string& text) {
    write_file(path, text);
    CHECK_FALSE(read_choice(mine));
  };
  damaged("");
  damaged("random bytes \x01\x02\x03");
  damaged(std::string(100'000, 'x'));
  damaged(good + "x");
  for (const std::size_t bytes : {good.size() - 1, good.size() / 2, std::size_t{10}})
    damaged(good.substr(0, bytes));
  for (std::size_t at = 0; at < good.size(); at += 13) {
    std::string text = good;
    text[at] = static_cast<char>(text[at] ^ 1);
    damaged(text);
  }
  write_choice(mine, choice);
  CHECK(read_choice(mine) == choice);

  // From a program with other variants and families: those that are known here still count.
  std::string text = good.substr(0, good.find('\n') + 1) +
                     "product 0 0 shared\nproduct 0 1 wonderful\nfolding 0 0 shared\nproduct 2 2 lanes\n";
  text += fmt::format("digest {:016x}\n", digest(std::as_bytes(std::span(text))));
  write_file(path, text);
  CHECK(read_choice(mine) ==
        Choice{{{Family::product, 0, 0}, Variant::shared}, {{Family::product, 2, 2}, Variant::lanes}});
}

TEST_CASE("variants: a choice that cannot be kept is an error that names the folder") {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  const Set cache("TAPELINE_CACHE", (folder / "file" / "cache").string());
  CHECK_THROWS_WITH_AS(write_choice({}, {}), doctest::Contains("TAPELINE_CACHE"), Error);
}

TEST_CASE("variants: with any choice, the same bits again, and alone as in a batch") {
  const TemporaryFolder folder;
  const Set cache("TAPELINE_CACHE", folder.path().string());
  const Device keeps_the_functions = open_device("vulkan");
  for (const Precision precision : first_device().precisions()) {
    const auto untuned = computed(5, precision);
    for (const Variant variant : kVariants) {
      CAPTURE(tapeline::name_of(precision));
      CAPTURE(name_of(variant));
      write_choice(identity_of(first_device()), all_with(variant), precision);
      const auto five = computed(5, precision), again = computed(5, precision), one = computed(1, precision);
      CHECK((five == again));
      CHECK(begins_with(five[0], one[0]));
      CHECK(begins_with(five[1], one[1]));
      const double allowed = precision == Precision::fp16 ? 1e-3 : 1e-5;
      for (std::size_t i = 0; i < five.size(); ++i)
        for (std::size_t k = 0; k < five[i].size(); ++k)
          CHECK(five[i][k] == doctest::Approx(untuned[i][k]).epsilon(allowed));
    }
  }
}

TEST_CASE("variants: a device is measured once, and its choice is kept") {
  const TemporaryFolder folder;
  const Set cache("TAPELINE_CACHE", folder.path().string());
  const Device device = open_device("vulkan");
  CHECK(device->describe().name.find("tuned") == std::string::npos);
  auto* tunes = dynamic_cast<Tunes*>(device.get());
  REQUIRE(tunes);
  const std::vector<TunedKernel> kernels = tunes->tune();
  REQUIRE(kernels.size() > 20);
  for (const TunedKernel& kernel : kernels) {
    CAPTURE(kernel.kernel);
    CAPTURE(kernel.size);
    REQUIRE_FALSE(kernel.ways.empty());
    const auto slower = [](const auto& a, const auto& b) { return a.milliseconds < b.milliseconds; };
    const double least = std::min_element(kernel.ways.begin(), kernel.ways.end(), slower)->milliseconds;
    const auto chosen = std::find_if(kernel.ways.begin(), kernel.ways.end(),
                                     [&](const auto& way) { return way.name == kernel.chosen; });
    REQUIRE(chosen != kernel.ways.end());
    CHECK(least > 0);
    CHECK(chosen->milliseconds <= 1.2 * least);
  }
  CHECK(read_choice(identity_of(first_device()))->size() == kernels.size());
  CHECK(open_device("vulkan")->describe().name.find("tuned") != std::string::npos);
  CHECK((computed(3) == computed(3)));
}

}  // namespace tapeline
