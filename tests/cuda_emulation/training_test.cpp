// Whole trainings on the emulated card: each step is one captured graph.

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "backends/check/check.h"
#include "backends/registry.h"
#include "models/training/trainer.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

namespace tapeline {
namespace {

constexpr int kSteps = 6;

TrainOptions small(const std::string& output) {
  TrainOptions options;
  options.network =
      "[1,20,60,1 Cl3,3,8,2,2 Bn Al.1 Cl3,3,12,2,1 Bn Al.1 Cl3,3,16,2,1 Bn Al.1 Mp3,1 S1(1x0)1,3 Do.1 (Lbx12 "
      "I) "
      "O1cz24]";
  options.data = "synth:expressions?seed=3&count=32";
  options.validate = "synth:expressions?seed=4&count=8";
  options.training = open_dataset(options.data);
  options.validation = open_dataset(options.validate);
  options.output = output;
  options.steps = kSteps;
  options.batch = 4;
  options.seed = 5;
  options.optimizer = "adamw";
  options.schedule = "onecycle:max=3e-3,warmup=.2";
  options.clip = 1;
  options.evaluate_every = kSteps;
  return options;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("cuda: every kernel of a training gives what the plain loops give") {
  const TemporaryFolder folder;
  TrainOptions options = small((folder / "run").string());
  options.steps = options.evaluate_every = 2;
  const auto checked = std::make_shared<CheckBackend>(open_device("cuda"), open_device("reference"));
  CHECK(train(options, checked, {}).step == 2);
  CHECK(checked->kernels_checked() > 100);
}

TEST_CASE("cuda: training repeats itself, and is taken up by the processor and the other way round") {
  const TemporaryFolder folder;
  const auto path = [&](const char* name, const char* file) { return (folder / name / file).string(); };
  const auto run = [&](const char* name, const char* device, bool resume, bool stop_at_once) {
    TrainOptions options = small((folder / name).string());
    options.resume = resume;
    const std::atomic<bool> stop{stop_at_once};
    TrainCallbacks callbacks;
    callbacks.stop = &stop;
    CHECK(train(options, open_device(device), callbacks).step == (stop_at_once ? 1 : kSteps));
  };
  const auto last_loss = [&](const char* name) {
    std::ifstream log(path(name, "log.jsonl"));
    double loss = NAN;
    for (std::string line; std::getline(log, line);) loss = nlohmann::json::parse(line).value("loss", loss);
    return loss;
  };

  run("processor", "cpu", false, false);
  run("card", "cuda", false, false);
  run("again", "cuda", false, false);
  CHECK(bytes_of(path("again", "last.safetensors")) == bytes_of(path("card", "last.safetensors")));

  run("to the processor", "cuda", false, true);
  run("to the processor", "cpu", true, false);
  // Adam makes whole steps of what is nearly nothing, so that rounding alone takes two trainings apart.
  CHECK(last_loss("to the processor") == doctest::Approx(last_loss("processor")).epsilon(.2));
  run("to the card", "cpu", false, true);
  run("to the card", "cuda", true, false);
  CHECK(last_loss("to the card") == doctest::Approx(last_loss("processor")).epsilon(.2));
}

// Fewer bits: about the same loss, and the scale of the loss lives on in a checkpoint.
TEST_CASE("cuda: training in fp16 scales its loss") {
  const TemporaryFolder folder;
  const auto run = [&](const char* name, Precision precision, bool resume, bool stop_at_once) {
    TrainOptions options = small((folder / name).string());
    options.resume = resume;
    const std::atomic<bool> stop{stop_at_once};
    TrainCallbacks callbacks;
    callbacks.stop = &stop;
    train(options, open_device("cuda", {.precision = precision}), callbacks);
    std::ifstream log((folder / name / "log.jsonl").string());
    nlohmann::json last;
    for (std::string line; std::getline(log, line);) last = nlohmann::json::parse(line);
    return last;
  };
  const nlohmann::json plain = run("fp32", Precision::fp32, false, false),
                       half = run("fp16", Precision::fp16, false, false);
  CHECK_FALSE(plain.contains("loss_scale"));
  CHECK(half["loss_scale"] == 65536);
  CHECK(half["loss"] != plain["loss"]);
  CHECK(half["loss"].get<double>() == doctest::Approx(plain["loss"].get<double>()).epsilon(.2));

  run("in two parts", Precision::fp16, false, true);
  run("in two parts", Precision::fp16, true, false);
  CHECK(bytes_of((folder / "in two parts" / "last.safetensors").string()) ==
        bytes_of((folder / "fp16" / "last.safetensors").string()));
}

TEST_CASE("cuda: where a batch does not fit, one that does is named") {
  const TemporaryFolder folder;
  struct SmallCard {
    SmallCard() {
      setenv("TAPELINE_CUDA_BLAS", "0", 1);  // its working space alone is larger
      cuda_emulation::faults.memory = std::size_t{64} << 20;
    }
    ~SmallCard() {
      cuda_emulation::faults = {};
      unsetenv("TAPELINE_CUDA_BLAS");
    }
  } const card;
  const auto error_of_batch = [&](const char* name, int batch) {
    TrainOptions options = small((folder / name).string());
    options.data = "synth:expressions?seed=3&count=1000";
    options.training = open_dataset(options.data);
    options.batch = batch;
    options.steps = options.evaluate_every = 1;
    options.validation = nullptr;
    return error_of([&] { train(options, open_device("cuda"), {}); });
  };
  const std::string message = error_of_batch("too much", 1000), before = "use a smaller batch, such as ";
  INFO(message);
  CHECK(message.starts_with("a batch of 1000: cuda:0"));
  const auto place = message.find(before);
  REQUIRE(place != message.npos);
  const int fits = std::stoi(message.substr(place + before.size()));
  CHECK(fits > 4);
  // Of so small a card the buffers for uploads, which no batch changes, are a good part.
  CHECK(error_of_batch("enough", fits / 2).empty());
}

}  // namespace tapeline
