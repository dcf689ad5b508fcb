#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "backends/registry.h"
#include "engine/error.h"
#include "models/training/train_log.h"
#include "models/training/trainer.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

namespace tapeline {

namespace {

constexpr const char* kTiny =
    "[1,20,60,1 Cl3,3,8,2,2 Bn Al.1 Cl3,3,12,2,1 Bn Al.1 Cl3,3,16,2,1 Bn Al.1 Mp3,1 S1(1x0)1,3 Do.1 (Lbx12 "
    "I) O1cz24]";

TrainOptions tiny(const std::string& output) {
  TrainOptions options;
  options.network = kTiny;
  options.data = "synth:expressions?seed=3&count=64";
  options.validate = "synth:expressions?seed=4&count=16";
  options.training = open_dataset(options.data);
  options.validation = open_dataset(options.validate);
  options.output = output;
  options.steps = 12;
  options.batch = 8;
  options.seed = 5;
  options.optimizer = "adamw";
  options.schedule = "onecycle:max=3e-3,warmup=.2";
  options.decay = "*.weight=1e-3";
  options.clip = 1;
  options.augment = "light";
  options.evaluate_every = 4;
  return options;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string last_of(const TrainOptions& options) { return options.output + "/last.safetensors"; }

}  // namespace

TEST_CASE("trainer: leaves a best and a last model, a log and a picture") {
  const TemporaryFolder folder;
  const TrainOptions options = tiny((folder / "run").string());
  std::vector<std::int64_t> evaluated;
  TrainCallbacks callbacks;
  callbacks.progress = [&](const TrainProgress& p) {
    if (p.evaluation) evaluated.push_back(p.step);
  };
  const TrainResult result = train(options, open_device("cpu"), callbacks);
  CHECK(result.step == 12);
  CHECK(result.ended == TrainResult::Ended::finished);
  CHECK(evaluated == std::vector<std::int64_t>{4, 8, 12});
  for (const char* name : {"best.safetensors", "last.safetensors", "log.jsonl", "curves.png"}) {
    CAPTURE(name);
    CHECK(std::filesystem::file_size(options.output + "/" + name) > 100);
  }
  std::ifstream log(options.output + "/log.jsonl");
  int lines = 0;
  for (std::string line; std::getline(log, line); ++lines)
    CHECK(nlohmann::json::parse(line).contains("loss"));
  CHECK(lines >= 3);
  const Model best = load_model(options.output + "/best.safetensors", open_device("cpu"));
  CHECK(best.metrics.contains("exact"));
  CHECK_THROWS_AS(train(options, open_device("cpu"), {}), Error);  // there is a training already
}

TEST_CASE("a curve of any length has a few thousand points, evenly") {
  ThinnedCurve curve("c");
  constexpr int kPoints = 100'000;
  for (int i = 0; i < kPoints; ++i) curve.add(i, 2 * i);
  const auto& points = curve.series().points;
  REQUIRE(points.size() > ThinnedCurve::kMostPoints / 2);
  CHECK(points.size() <= ThinnedCurve::kMostPoints);
  const double stride = points[1].first;
  for (std::size_t i = 0; i < points.size(); ++i)
    CHECK(points[i] == std::pair(stride * static_cast<double>(i), 2 * stride * static_cast<double>(i)));
  CHECK(points.back().first + stride >= kPoints);
}

TEST_CASE("trainer: the same bits again, with other threads, and after interruptions") {
  const TemporaryFolder folder;
  const TrainOptions whole = tiny((folder / "whole").string());
  train(whole, open_device("cpu", {1}), {});

  TrainOptions threaded = tiny((folder / "threaded").string());
  threaded.loader_threads = 3;
  train(threaded, open_device("cpu", {3}), {});
  CHECK(bytes_of(last_of(threaded)) == bytes_of(last_of(whole)));

  TrainOptions interrupted = tiny((folder / "interrupted").string());
  const std::atomic<bool> stop{true};  // after one step
  TrainCallbacks callbacks;
  callbacks.stop = &stop;
  CHECK(train(interrupted, open_device("cpu"), callbacks).ended == TrainResult::Ended::stopped);
  interrupted.resume = true;
  CHECK(train(interrupted, open_device("cpu"), callbacks).step == 2);
  CHECK(train(interrupted, open_device("cpu"), {}).step == 12);
  CHECK(bytes_of(last_of(interrupted)) == bytes_of(last_of(whole)));

  const TrainOptions remembered = options_of_checkpoint(whole.output);
  CHECK(to_json(remembered) == to_json(whole));
  CHECK(remembered.steps == 12);
}

TEST_CASE("trainer: learns what there is to learn") {
  const TemporaryFolder folder;
  TrainOptions options = tiny((folder / "run").string());
  options.training = options.validation = open_dataset("synth:expressions?seed=3&count=8");
  options.steps = 250;
  options.evaluate_every = 250;
  options.augment = "none";
  options.schedule = "onecycle:max=1e-2,warmup=.2";
  const TrainResult result = train(options, open_device("cpu"), {});
  CHECK(result.best_cer < 0.2);  // eight pictures by heart
}

TEST_CASE("trainer: in bf16 the loss goes down as in fp32") {
  const auto precisions = open_device("cpu")->describe().precisions;
  if (std::find(precisions.begin(), precisions.end(), Precision::bf16) == precisions.end()) return;
  const TemporaryFolder folder;
  const auto losses = [&](Precision precision) {
    TrainOptions options = tiny((folder / std::string(name_of(precision))).string());
    options.network = "[1,20,60,1 Cr3,3,32,2,2 Cr3,3,32 Bn Mp2,2 Cr3,3,40 Bn Mp5,1 S1(1x0)1,3 Lbx12 O1cz24]";
    options.validation = nullptr;
    options.steps = 40;
    options.evaluate_every = 1;  // and tell of every step
    double first = 0, last = 0;  // of ten
    TrainCallbacks callbacks;
    callbacks.progress = [&](const TrainProgress& p) {
      (p.step <= 10 ? first : last) += p.step <= 10 || p.step > 30 ? p.loss / 10 : 0;
    };
    train(options, open_device("cpu", {.precision = precision}), callbacks);
    return std::pair(first, last);
  };
  const auto [first, last] = losses(Precision::fp32);
  const auto [first_in_bf16, last_in_bf16] = losses(Precision::bf16);
  CHECK(last < .7 * first);
  CHECK(first_in_bf16 == doctest::Approx(first).epsilon(.02));
  CHECK(last_in_bf16 == doctest::Approx(last).epsilon(.05));
}

TEST_CASE("trainer: stops when it no longer improves") {
  const TemporaryFolder folder;
  TrainOptions options = tiny((folder / "run").string());
  options.learning_rate = 0;
  options.schedule = "constant";
  options.evaluate_every = 1;
  options.patience = 2;
  options.steps = 60;  // the running statistics settle first
  options.optimizer = "sgd";
  options.decay = "";
  const TrainResult result = train(options, open_device("cpu"), {});
  CHECK(result.ended == TrainResult::Ended::patience);
  CHECK(result.step < 60);
}

TEST_CASE("trainer: wrong options are named") {
  const TemporaryFolder folder;
  const Device device = open_device("cpu");
  const auto fails = [&](const auto& change) {
    TrainOptions options = tiny((folder / "run").string());
    change(options);
    CHECK_THROWS_AS(train(options, device, {}), Error);
    CHECK_FALSE(std::filesystem::exists(last_of(options)));
  };
  fails([](TrainOptions& o) { o.steps = 0; });
  fails([](TrainOptions& o) { o.minutes = 1; });
  fails([](TrainOptions& o) { o.batch = 0; });
  fails([](TrainOptions& o) { o.evaluate_every = 0; });
  fails([](TrainOptions& o) { o.network = "[1,20,60,1"; });
  fails([](TrainOptions& o) { o.optimizer = "adamx"; });
  fails([](TrainOptions& o) { o.schedule = "never"; });
  fails([](TrainOptions& o) { o.augment = "much"; });
  fails([](TrainOptions& o) { o.decay = "nothing.*=1"; });
  fails([](TrainOptions& o) { o.resume = true; });
  fails([](TrainOptions& o) { o.charset = "xyz"; });  // no sample is left
  std::ofstream((folder / "file").string()) << "x";
  fails([&](TrainOptions& o) { o.output = (folder / "file").string(); });
}

TEST_CASE("trainer: a resumption that contradicts its beginning is refused") {
  const TemporaryFolder folder;
  TrainOptions options = tiny((folder / "run").string());
  options.steps = 1;
  train(options, open_device("cpu"), {});
  options.resume = true;
  options.steps = 2;
  options.batch = 4;
  CHECK_THROWS_AS(train(options, open_device("cpu"), {}), Error);
}

TEST_CASE("trainer: a loss that is not finite stops it, names the images, and leaves the last checkpoint") {
  const TemporaryFolder folder;
  TrainOptions options = tiny((folder / "run").string());
  options.optimizer = "sgd";
  options.schedule = "constant";
  options.learning_rate = 1e30;
  options.clip = 0;
  options.decay = "";
  options.evaluate_every = 1;
  const std::string message = error_of([&] { train(options, open_device("cpu"), {}); });
  CAPTURE(message);
  CHECK(message.find("the loss of step") != std::string::npos);
  CHECK_NOTHROW(load_model(last_of(options), open_device("cpu")));
}

}  // namespace tapeline
