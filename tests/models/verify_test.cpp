#include "models/recognizer/verify.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "backends/profile/profile.h"
#include "backends/registry.h"
#include "engine/error.h"

namespace tapeline {

namespace {

constexpr const char* kNetwork = "[1,20,0,1 Cl3,3,6,2,2 Bn Ar Mp2,1 S1(1x0)1,3 (Lbx6 I) Lbx8 O1c]";

/// The CPU, but for one element of what one kernel writes: the `which`th of its kind, or all with -1.
template <typename K>
class Faulty : public ProfileBackend {
 public:
  Faulty(float error, View K::*output, int which = 0)
      : ProfileBackend(open_device("cpu", {.threads = 1})), error_(error), output_(output), which_(which) {}
  void run(const Kernel& kernel) override {
    ProfileBackend::run(kernel);
    const auto* k = std::get_if<K>(&kernel);
    if (k && (which_ < 0 || count_++ == which_)) (k->*output_).template data<float>()[17] += error_;
  }

 private:
  float error_;
  View K::*output_;
  int which_, count_ = 0;
};

Verification verified(const Device& device) {
  const Charset charset("0123456789+-*()");
  return verify(make_model(kNetwork, charset, open_device("cpu", {.threads = 1}), 4),
                make_model(kNetwork, charset, device, 4), open_dataset("synth:expressions?seed=3&count=6"),
                {.batch = 4, .threads = 1});
}

}  // namespace

TEST_CASE("verify: a device like the CPU has every layer within a small tolerance, and the same texts") {
  const Verification same = verified(open_device("cpu", {.threads = 1}));
  CHECK(same.images == 6);
  CHECK(same.texts.empty());
  CHECK(same.first_beyond(0) == nullptr);
  std::vector<std::string> names;
  for (const LayerDifference& layer : same.layers) names.push_back(layer.layer);
  CHECK(names.at(0) == "the pixels");
  CHECK(names.at(1) == "1-2: Cl3,3,6,2,2 Bn Ar");
  CHECK(names.back() == "the whole, replayed");
  CHECK(names[names.size() - 2].find("O1c") != std::string::npos);

  const Verification plain = verified(open_device("reference"));
  CHECK(plain.texts.empty());
  CHECK(plain.first_beyond(1e-5) == nullptr);
  CHECK(plain.first_beyond(0) != nullptr);
  CHECK(plain.layers.size() == same.layers.size());
}

TEST_CASE("verify: the first layer that is off is named, with its kernel and the element") {
  const Verification lstm = verified(std::make_shared<Faulty<LstmForward>>(.5f, &LstmForward::output, 1));
  const LayerDifference* wrong = lstm.first_beyond(1e-3);
  REQUIRE(wrong);
  CHECK(wrong->layer.find("Lbx8") != std::string::npos);
  CHECK(wrong->kernel == "lstm_forward");
  CHECK(wrong->element == 17);
  CHECK(wrong->difference == doctest::Approx(.5));
  CHECK(wrong->found == doctest::Approx(wrong->expected + .5));
  CHECK(lstm.layers.front().difference == 0);

  const Verification conv = verified(std::make_shared<Faulty<Conv2dForward>>(1e-2f, &Conv2dForward::output));
  REQUIRE(conv.first_beyond(1e-4));
  CHECK(conv.first_beyond(1e-4)->layer == "1-2: Cl3,3,6,2,2 Bn Ar");
}

TEST_CASE("verify: what is not a number is out of any tolerance") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Verification v = verified(std::make_shared<Faulty<Conv2dForward>>(nan, &Conv2dForward::output));
  REQUIRE(v.first_beyond(1));
  CHECK(std::isinf(v.first_beyond(1)->difference));
  CHECK(std::isnan(v.first_beyond(1)->found));
}

TEST_CASE("verify: other texts are told, and an endless set is refused") {
  const Verification v = verified(std::make_shared<Faulty<Gemm>>(1e3f, &Gemm::c, -1));
  REQUIRE(!v.texts.empty());
  CHECK(v.texts[0].expected != v.texts[0].found);
  CHECK(v.texts[0].name.find("expression") != std::string::npos);
  const Model model = make_model(kNetwork, Charset("01"), open_device("cpu", {.threads = 1}), 4);
  CHECK_THROWS_AS(verify(model, model, open_dataset("synth:expressions"), {}), Error);
}

}  // namespace tapeline
