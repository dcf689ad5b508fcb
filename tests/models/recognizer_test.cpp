#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <vector>

#include "backends/registry.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/io/safetensors.h"
#include "models/data/preprocess.h"
#include "models/recognizer/batch_input.h"
#include "models/recognizer/evaluate.h"
#include "models/recognizer/model.h"
#include "models/recognizer/recognizer.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

namespace tapeline {

namespace {

constexpr const char* kAnyWidth = "[1,16,0,1 Cl3,3,8 Bn Al.1 Mp2,2 Cr3,3,12 Mp2,2 S1(1x0)1,3 (Lbx12 I) O1c]";

Image noise_image(int width, int height, int channels, std::uint64_t seed) {
  Random random(seed);
  Image image(width, height, channels);
  for (auto& pixel : image.pixels) pixel = static_cast<std::uint8_t>(random.below(256));
  return image;
}

/// As after some training: running statistics of real activations, outputs that are far apart, nothing at its
/// start.
void disturb(const Model& model) {
  const Device& device = model.network->device();
  Random random(77);
  const auto noise = [&](std::int64_t count, float scale) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& v : values) v = scale * random.normal();
    return values;
  };
  for (const NamedTensor& p : model.network->state().parameters)
    if (p.name == "output.weight") p.tensor.upload(noise(p.tensor.elements(), 2));
  Pass pass;
  pass.training = true;
  pass.dropout = Tensor::zeros(device, {3}, DType::i32);
  for (const auto& widths : model.network->geometry().widths({64, 64, 64, 64}))
    pass.widths.push_back(Tensor::from(device, {4}, widths));
  const NoGrad no_tape;
  for (int i = 0; i < 30; ++i)
    model.network->forward(
        Tensor::from(device, {4, model.spec().height, 64, 1}, noise(4 * model.spec().height * 64, 1)), pass);
}

}  // namespace

TEST_CASE("batch input: the device makes of bytes what the processor would, and zero right of each picture") {
  const Device device = open_device("cpu");
  const Model model = make_model(kAnyWidth, Charset("abc"), device, 1);
  const std::vector<Image> images = {noise_image(30, 20, 3, 1), noise_image(50, 16, 1, 2),
                                     Image(9, 16, 1, 99)};
  Batch batch;
  batch.count = 3, batch.height = 16, batch.width = 64, batch.channels = 1;
  batch.pixels.assign(3 * 16 * 64, 200);  // what stands right of a picture does not matter
  std::vector<float> expected(batch.pixels.size());
  for (std::size_t n = 0; n < images.size(); ++n) {
    const auto [offset, factor] = preprocess(images[n], model.preprocess, &batch.pixels[n * 16 * 64], 64);
    batch.offsets.push_back(offset);
    batch.factors.push_back(factor);
    batch.widths.push_back(model.preprocess.output_width(images[n].width, images[n].height));
    const std::vector<float> values = preprocess(images[n], model.preprocess);
    const auto width = static_cast<std::size_t>(batch.widths[n]);
    for (std::size_t y = 0; y < 16; ++y) std::copy_n(&values[y * width], width, &expected[(n * 16 + y) * 64]);
  }
  const BatchInput input(*model.network, 3, 64);
  input.upload(batch);
  CHECK(input.values().to_vector<float>() == expected);
  batch.pixels.resize(100);
  CHECK_THROWS_AS(input.upload(batch), Error);
}

TEST_CASE("recognizer: 200 images of mixed widths read the same alone and in batches with any neighbours") {
  const Device device = open_device("cpu");
  const Model model = make_model(kAnyWidth, Charset("abcdef"), device, 5);
  disturb(model);
  std::vector<Image> images;
  Random random(1);
  for (int i = 0; i < 200; ++i)
    images.push_back(
        noise_image(random.integer(12, 150), random.integer(10, 40), random.chance(0.5f) ? 1 : 3, 1000 + i));
  Recognizer together(model), alone(model);
  const std::vector<Reading> batched = together.read(images, 32);
  const std::vector<Reading> other_neighbours = together.read(images, 7);
  REQUIRE(batched.size() == 200);
  int characters = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Reading single = alone.read(std::span(&images[i], 1))[0];
    for (const Reading* reading : {&batched[i], &other_neighbours[i]}) {
      CHECK(reading->text == single.text);
      CHECK(std::abs(reading->confidence - single.confidence) < 1e-5);
    }
    characters += static_cast<int>(single.characters.size());
  }
  CHECK(characters > 400);  // it does read something
}

TEST_CASE("recognizer: an image gets the same reading with paper added in the batch") {
  const Device device = open_device("cpu");
  const Model model = make_model(kAnyWidth, Charset("abcdef"), device, 5);
  disturb(model);
  Recognizer recognizer(model);
  const std::vector<Image> pair{noise_image(40, 16, 1, 3),
                                noise_image(600, 16, 1, 4)};  // the second pads the first
  const Reading padded = recognizer.read(pair)[0], alone = recognizer.read(std::span(pair).first(1))[0];
  CHECK(padded.text == alone.text);
  CHECK(padded.confidence == doctest::Approx(alone.confidence).epsilon(1e-5));
  for (const ReadCharacter& c : alone.characters) CHECK((c.begin >= 0 && c.begin < c.end && c.end <= 40));
}

TEST_CASE("recognizer: reads with the weights of its first reading until it is told to take the new ones") {
  const Device device = open_device("cpu");
  const Model model = make_model(kAnyWidth, Charset("abcdef"), device, 5);
  disturb(model);
  Recognizer recognizer(model);
  const Image image = noise_image(90, 16, 1, 3);
  const double before = recognizer.read(std::span(&image, 1))[0].confidence;
  for (const NamedTensor& p : model.network->state().parameters)
    if (p.name == "norm1.scale") p.tensor.upload(std::vector<float>(8, 0.25f));
  CHECK(recognizer.read(std::span(&image, 1))[0].confidence == before);
  recognizer.refresh();
  const double after = recognizer.read(std::span(&image, 1))[0].confidence;
  CHECK(after != before);
  CHECK(after == Recognizer(model).read(std::span(&image, 1))[0].confidence);
}

TEST_CASE("recognizer: what is not finite is read again by the model that it is given then") {
  const Device device = open_device("cpu");
  const Model good = make_model(kAnyWidth, Charset("abcdef"), device, 5);
  Model bad = make_model(kAnyWidth, Charset("abcdef"), device, 5);
  for (const NamedTensor& p : bad.network->state().parameters)
    if (p.name == "output.weight")
      p.tensor.upload(std::vector<float>(static_cast<std::size_t>(p.tensor.elements()), INFINITY));
  const std::vector<Image> images = {noise_image(90, 16, 1, 3), noise_image(40, 16, 1, 4)};
  const std::vector<Reading> wanted = Recognizer(good).read(images);
  for (const Reading& reading : Recognizer(bad).read(images)) {
    CHECK_FALSE(reading.finite);
    CHECK(reading.text.empty());
    CHECK(reading.confidence == 0);
  }
  Recognizer recognizer(bad);
  int asked = 0;
  recognizer.when_not_finite([&] {
    ++asked;
    return make_model(kAnyWidth, Charset("abcdef"), device, 5);
  });
  for (int time = 0; time < 2; ++time) {
    const std::vector<Reading> found = recognizer.read(images, 1);
    for (std::size_t i = 0; i < images.size(); ++i) {
      CHECK(found[i].finite);
      CHECK(found[i].text == wanted[i].text);
      CHECK(found[i].confidence == wanted[i].confidence);
    }
  }
  CHECK(asked == 1);
  CHECK(&recognizer.model() != &bad);
}

TEST_CASE("model: one file holds it all") {
  const TemporaryFolder folder;
  const std::string path = (folder / "m.safetensors").string();
  const Device device = open_device("cpu");
  Model model = make_model(kAnyWidth, Charset("añ→"), device, 5);
  disturb(model);
  model.metrics = {{"exact", 0.5}};
  const Tensor moment = Tensor::from<float>(device, {2}, {1, 2});
  save_model(path, model, {{"first.x", moment}});

  const Model loaded = load_model(path, device);
  CHECK(loaded.charset == model.charset);
  CHECK(loaded.preprocess == model.preprocess);
  CHECK(loaded.metrics == model.metrics);
  const Image image = noise_image(50, 20, 3, 8);
  const Reading a = Recognizer(model).read(std::span(&image, 1))[0],
                b = Recognizer(loaded).read(std::span(&image, 1))[0];
  CHECK(a.text == b.text);
  CHECK(a.confidence == b.confidence);
  const Tensor back = Tensor::zeros(device, {2});
  load_extra(path, {{"first.x", back}});
  CHECK(back.to_vector<float>() == std::vector<float>{1, 2});
}

TEST_CASE("model: what is wrong with a file is said, with its name") {
  const TemporaryFolder folder;
  const std::string path = (folder / "m.safetensors").string();
  const Device device = open_device("cpu");
  const Model model = make_model(kAnyWidth, Charset("ab"), device, 5);
  save_model(path, model);
  const Safetensors file = Safetensors::read(path);
  const auto rewritten = [&](const std::map<std::string, std::string>& changes, std::size_t dropped,
                             bool more) {
    auto metadata = file.metadata();
    for (const auto& [key, value] : changes) {
      if (value.empty())
        metadata.erase(key);
      else
        metadata[key] = value;
    }
    std::vector<NamedTensor> tensors = model.network->state().parameters;
    for (const NamedTensor& buffer : model.network->state().buffers) tensors.push_back(buffer);
    tensors.resize(tensors.size() - dropped);
    if (more) tensors.push_back({"left.over", Tensor::zeros(device, {1000})});
    write_safetensors(path, tensors, metadata);
    return error_of([&] { load_model(path, device); });
  };
  CHECK(rewritten({}, 0, false) == "");
  for (const std::string& message :
       {rewritten({{"tapeline", "2"}}, 0, false), rewritten({{"tapeline", ""}}, 0, false),
        rewritten({{"network", ""}}, 0, false), rewritten({{"network", "[1,16,0,1 O1"}}, 0, false),
        rewritten({{"charset", ""}}, 0, false), rewritten({{"charset", "abc"}}, 0, false),
        rewritten({{"charset", "aa"}}, 0, false), rewritten({{"preprocess", "3"}}, 0, false),
        rewritten({{"preprocess", "{\"height\":3}"}}, 0, false),
        rewritten({{"decoder", "{\"type\":\"other\"}"}}, 0, false),
        rewritten({{"metrics", "not json"}}, 0, false), rewritten({}, 1, false), rewritten({}, 0, true),
        rewritten({{"network", "[1,16,0,1 Cl99,99,65536 Cl1,1,9999 S1(1x0)1,3 O1c]"}}, 0, false)}) {
    CAPTURE(message);
    CHECK(message.find(path) != std::string::npos);
  }
  CHECK(error_of([&] { load_model((folder / "missing").string(), device); }).find("missing") !=
        std::string::npos);
}

TEST_CASE("score: the numbers by hand") {
  const std::vector<std::string> names{"a", "b", "c", "d"}, truths{"12", "34", "56", ""};
  std::vector<Reading> readings(4);
  readings[0] = {"12", 0.95, {}};
  readings[1] = {"3", 0.45, {}};
  readings[2] = {"76", 0.85, {}};
  readings[3] = {"", 0.75, {}};
  const Evaluation e = score(names, truths, readings);
  CHECK(e.images == 4);
  CHECK(e.exact() == 0.5);
  CHECK(e.cer() == doctest::Approx(2.0 / 6));
  CHECK(e.mean_distance == 0.5);
  CHECK(e.normalized_distance == doctest::Approx((0.5 + 0.5) / 4));
  CHECK(e.confidence_right == doctest::Approx(0.85));
  CHECK(e.confidence_wrong == doctest::Approx(0.65));
  CHECK(e.calibration_error == doctest::Approx((0.05 + 0.45 + 0.85 + 0.25) / 4));
  REQUIRE(e.confusions.size() == 2);
  REQUIRE(e.mistakes.size() == 2);
  CHECK(e.mistakes[0].name == "c");  // as far off as b, but surer
  const nlohmann::json json = to_json(e);
  for (const char* key : {"images", "exact", "cer", "ned", "confidence_right", "confidence_wrong"})
    CHECK(json.at(key).is_number());
  CHECK(score({}, {}, {}).exact() == 0);
}

}  // namespace tapeline
