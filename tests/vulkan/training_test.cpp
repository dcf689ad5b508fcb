// A network trained on Vulkan beside one trained on the CPU, and read on both.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "backends/registry.h"
#include "models/recognizer/recognizer.h"
#include "models/recognizer/verify.h"
#include "models/training/trainer.h"
#include "tests/engine/temporary_folder.h"

namespace tapeline {
namespace {

constexpr int kSteps = 20;

struct Trained {
  std::vector<double> losses;  // mean of each step
  std::string last;            // the bytes of the checkpoint
  std::string best;            // path of the model
};

Trained train_on(const std::string& device, const std::filesystem::path& folder,
                 Precision precision = Precision::fp32) {
  TrainOptions options;
  options.network =
      "[1,20,60,1 Cl3,3,8,2,2 Bn Al.1 Cl3,3,12,2,1 Bn Al.1 Mp3,1 S1(1x0)1,3 Do.1 (Lbx12 I) O1c]";
  options.data = "synth:expressions?seed=3";
  options.validate = "synth:expressions?seed=4&count=16";
  options.training = open_dataset(options.data);
  options.validation = open_dataset(options.validate);
  options.charset = "0123456789+-*()";
  options.output = folder.string();
  options.steps = kSteps;
  options.batch = 8;
  options.seed = 5;
  options.optimizer = "adamw";
  options.clip = 1;
  options.evaluate_every = 1;
  train(options, open_device(device, {.precision = precision}), {});
  Trained trained{.losses = {},
                  .last = read_text(folder / "last.safetensors"),
                  .best = (folder / "best.safetensors").string()};
  std::ifstream log(folder / "log.jsonl");
  for (std::string line; std::getline(log, line);)
    trained.losses.push_back(nlohmann::json::parse(line).at("loss"));
  return trained;
}

}  // namespace

// Both start from the same bits and see the same batches, so the first losses differ by f32's rounding alone.
// A step of Adam divides by the root of the squared gradients: of parameters whose gradient is all rounding
// (those that a batch norm behind them cancels) it makes a step of full length in a direction of chance, and
// the curves part by a little more each step.
TEST_CASE("training: the loss follows the CPU's, and the same bits come each time") {
  const TemporaryFolder folder;
  const Trained cpu = train_on("cpu", folder / "cpu"), vulkan = train_on("vulkan", folder / "vulkan"),
                again = train_on("vulkan", folder / "again");
  CHECK(vulkan.last == again.last);
  REQUIRE(cpu.losses.size() == kSteps);
  REQUIRE(vulkan.losses.size() == kSteps);
  for (std::size_t i = 0; i < cpu.losses.size(); ++i) {
    CAPTURE(i);
    CHECK(std::fabs(vulkan.losses[i] - cpu.losses[i]) <= (i == 0 ? 1e-5 : 1e-3) * cpu.losses[i]);
  }

  SUBCASE("the model reads on Vulkan what it reads on the CPU") {
    const Model expected = load_model(cpu.best, open_device("cpu")),
                tested = load_model(cpu.best, open_device("vulkan"));
    const Verification v = verify(expected, tested, open_dataset("synth:expressions?seed=99&count=50"), {});
    CHECK(v.images == 50);
    CHECK(v.texts.empty());
    CHECK(v.layers.size() > 4);
    CHECK(v.first_beyond(1e-4) == nullptr);
  }

  SUBCASE("an image is read the same alone and in a batch") {
    const Model model = load_model(vulkan.best, open_device("vulkan"));
    const DatasetPtr data = open_dataset("synth:expressions?seed=98&count=9");
    std::vector<Image> images;
    for (std::size_t i = 0; i < data->size(); ++i) images.push_back(data->load(i, 1).image);
    Recognizer recognizer(model);
    const std::vector<Reading> together = recognizer.read(images, 9);
    for (std::size_t i = 0; i < images.size(); ++i) {
      const Reading alone = recognizer.read(std::span(&images[i], 1), 1).at(0);
      CHECK(alone.text == together[i].text);
      CHECK(alone.confidence == together[i].confidence);
    }
  }
}

// A factor keeps 11 bits, so what is off is a few thousandths.
TEST_CASE("training: fp16 scales the loss, and follows fp32") {
  const auto precisions = open_device("vulkan")->describe().precisions;
  if (std::find(precisions.begin(), precisions.end(), Precision::fp16) == precisions.end()) return;
  const TemporaryFolder folder;
  const Trained plain = train_on("vulkan", folder / "fp32"),
                half = train_on("vulkan", folder / "fp16", Precision::fp16);
  CHECK(read_text(folder / "fp16" / "log.jsonl").find("\"loss_scale\":65536") != std::string::npos);
  REQUIRE(plain.losses.size() == half.losses.size());
  for (std::size_t i = 0; i < plain.losses.size(); ++i) {
    CAPTURE(i);
    CHECK(half.losses[i] != plain.losses[i]);
    CHECK(std::fabs(half.losses[i] - plain.losses[i]) <= (i == 0 ? 1e-3 : 2e-2) * plain.losses[i]);
  }
}

}  // namespace tapeline
