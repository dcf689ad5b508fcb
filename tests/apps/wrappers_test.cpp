// Backends that wrap backends.

#include <doctest/doctest.h>

#include "apps/random_work.h"
#include "backends/check/check.h"
#include "backends/profile/profile.h"
#include "backends/registry.h"
#include "engine/error.h"
#include "engine/ops/activation.h"
#include "engine/ops/linear.h"
#include "engine/program.h"
#include "tests/errors.h"

namespace tapeline {

namespace {

/// Adds 1 to the first output of every product.
class WrongBackend : public ProfileBackend {
 public:
  using ProfileBackend::ProfileBackend;
  void run(const Kernel& kernel) override {
    ProfileBackend::run(kernel);
    if (const auto* gemm = std::get_if<Gemm>(&kernel)) *gemm->c.data<float>() += 1;
  }
};

Tensor product(const Device& device) {
  const auto x = Tensor::from<float>(device, {2, 3}, {1, 2, 3, 4, 5, 6});
  const auto w = Tensor::from<float>(device, {3, 2}, {1, -1, 2, -2, 3, -3});
  return linear(x, w, {}, {});
}

}  // namespace

TEST_CASE("a profile counts calls, work and time by kernel and shape, and changes no value") {
  const auto device = std::make_shared<ProfileBackend>(open_device("cpu", {.threads = 1}));
  const auto expected = product(open_device("cpu", {.threads = 1})).to_vector<float>();
  CHECK(product(device).to_vector<float>() == expected);
  product(device);
  const auto entries = device->entries();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].kernel == "gemm");
  CHECK(entries[0].shapes == "[2, 3] [3, 2] -> [2, 2]");
  CHECK(entries[0].calls == 2);
  CHECK(entries[0].flops == 2 * 24);
  CHECK(entries[0].bytes == 2 * 4 * (6 + 6 + 4));
  CHECK(entries[0].seconds > 0);
  device->reset();
  CHECK(device->entries().empty());
}

TEST_CASE("a profile sees the kernels of a recorded program") {
  const auto device = std::make_shared<ProfileBackend>(open_device("reference"));
  Tensor result;
  Program program = record([&] { result = product(device); });
  program.compile();
  CHECK(device->entries().empty());
  program.replay();
  program.replay();
  REQUIRE(device->entries().size() == 1);
  CHECK(device->entries()[0].calls == 2);
}

TEST_CASE("the roofline is the longer of arithmetic and memory") {
  DeviceInfo device;
  CHECK(roofline_seconds(device, 1, 1) == 0);
  device.peak_flops = 100;
  device.peak_bytes = 10;
  CHECK(roofline_seconds(device, 200, 10) == doctest::Approx(2));
  CHECK(roofline_seconds(device, 200, 30) == doctest::Approx(3));
}

TEST_CASE("check passes where two backends agree, and names the kernel where not") {
  const auto good =
      std::make_shared<CheckBackend>(open_device("cpu", {.threads = 1}), open_device("reference"));
  CHECK(product(good).to_vector<float>() == std::vector<float>{14, -14, 32, -32});
  CHECK(good->kernels_checked() == 1);

  const auto bad = std::make_shared<CheckBackend>(
      std::make_shared<WrongBackend>(open_device("cpu", {.threads = 1})), open_device("reference"));
  const std::string message = error_of([&] { product(bad); });
  CHECK(message.find(
            "gemm [2, 3] [3, 2] -> [2, 2]: output 0, element 0 of [2, 2]: 15 on cpu, and 14 on reference") !=
        std::string::npos);
}

TEST_CASE("check follows an operand that is both read and written") {
  const auto device =
      std::make_shared<CheckBackend>(open_device("cpu", {.threads = 1}), open_device("reference"));
  const auto x = Tensor::from<float>(device, {4}, {-2, -1, 1, 2});
  const Tensor c = Tensor::from<float>(device, {2, 2}, {1, 1, 1, 1});
  const auto a = Tensor::from<float>(device, {2, 2}, {1, 0, 0, 1});
  submit(Gemm{.a = a.view(),
              .b = a.view(),
              .bias = {},
              .c = c.view(),
              .rows = 2,
              .columns = 2,
              .inner = 2,
              .accumulate = true,
              .activation = {}});
  CHECK(c.to_vector<float>() == std::vector<float>{2, 1, 1, 2});
  CHECK(device->kernels_checked() == 1);
}

TEST_CASE("every kernel of a training step and of a reading gives the same on cpu and reference") {
  for (const char* mode : {"train", "infer"}) {
    const auto device =
        std::make_shared<CheckBackend>(open_device("cpu", {.threads = 2}), open_device("reference"));
    WorkChoice choice;
    choice.mode = mode;
    choice.batch = 3;
    choice.width = 37;
    choice.network.network = "[1,20,0,1 Cl3,3,8,2,2 Bn Al.1 Mp2,1 S1(1x0)1,3 (Lbx6 I) Do.2 O1c]";
    RandomWork work(choice, device);
    work.run();
    work.run();
    CHECK(device->kernels_checked() > 20);
  }
}

}  // namespace tapeline
