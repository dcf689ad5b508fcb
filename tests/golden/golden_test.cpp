// Every layer, CTC, the optimisers and a ten-step training run against PyTorch in double precision;
// golden.safetensors is made by make_golden.py, which has the same cases.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "backends/registry.h"
#include "engine/error.h"
#include "engine/io/safetensors.h"
#include "engine/ops/ops.h"
#include "engine/optim/optimizer.h"
#include "engine/program.h"

namespace tapeline {

namespace {

/// The golden values, as tensors of one device and one float type.
class Golden {
 public:
  Golden(const char* device, DType dtype, double tolerance)
      : device(open_device(device)), dtype(dtype), tolerance_(tolerance) {}

  std::vector<double> values(const std::string& name) const {
    const auto bytes = file().bytes(name);
    if (file().entry(name).dtype == DType::i32) {
      std::vector<std::int32_t> integers(bytes.size() / sizeof(std::int32_t));
      std::memcpy(integers.data(), bytes.data(), bytes.size());
      return {integers.begin(), integers.end()};
    }
    std::vector<double> doubles(bytes.size() / sizeof(double));
    std::memcpy(doubles.data(), bytes.data(), bytes.size());
    return doubles;
  }

  Tensor operator()(const std::string& name) const {
    const std::vector<double> v = values(name);
    const Shape& shape = file().entry(name).shape;
    if (file().entry(name).dtype == DType::i32)
      return Tensor::from(device, shape, std::vector<std::int32_t>(v.begin(), v.end()));
    if (dtype == DType::f64) return Tensor::from(device, shape, v);
    return Tensor::from(device, shape, std::vector<float>(v.begin(), v.end()));
  }

  Tensor leaf(const std::string& name) const { return (*this)(name).set_requires_grad(); }

  static std::vector<double> doubles(const Tensor& tensor) {
    if (tensor.dtype() == DType::f64) return tensor.to_vector<double>();
    const std::vector<float> v = tensor.to_vector<float>();
    return {v.begin(), v.end()};
  }

  void check(const Tensor& got, const std::string& name) const { check(doubles(got), name); }
  void check(const std::vector<double>& got, const std::string& name) const {
    CAPTURE(name);
    const std::vector<double> wanted = values(name);
    REQUIRE(got.size() == wanted.size());
    double worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i)
      worst = std::max(worst, std::abs(got[i] - wanted[i]) / (1 + std::abs(wanted[i])));
    CHECK(worst < tolerance_);
  }

  /// The output of a case, and what its gradient sends back to the leaves.
  void check_case(const std::string& name, const Tensor& output,
                  const std::vector<std::pair<std::string, Tensor>>& leaves,
                  const char* what = "output") const {
    check(output, name + "/" + what);
    output.backward((*this)(name + "/grad_" + what));
    for (const auto& [leaf, tensor] : leaves) check(tensor.grad(), name + "/grad_" + leaf);
  }

  const Device device;
  const DType dtype;

 private:
  static const Safetensors& file() {
    static const Safetensors golden = Safetensors::read(TAPELINE_GOLDEN);
    return golden;
  }
  double tolerance_;
};

void each_device(const auto& body) {
  SUBCASE("reference, f64") {
    body(Golden("reference", DType::f64, 1e-7));  // slopes and momenta are held in single precision
  }
  SUBCASE("cpu, f32") { body(Golden("cpu", DType::f32, 2e-5)); }
}

}  // namespace

TEST_CASE("golden: convolution") {
  each_device([](const Golden& golden) {
    const auto run = [&](const std::string& name, const Conv2dOptions& options) {
      const Tensor x = golden.leaf(name + "/input"), w = golden.leaf(name + "/weight"),
                   b = golden.leaf(name + "/bias");
      golden.check_case(name, conv2d(x, w, b, options), {{"input", x}, {"weight", w}, {"bias", b}});
    };
    run("conv2d.plain", {});
    run("conv2d.strided", {.stride_h = 2, .padding = Padding::explicit_(1, 1, 0, 0)});
    run("conv2d.dilated", {.dilation_h = 2, .padding = Padding::explicit_(2, 2, 1, 1)});
    run("conv2d.groups", {.groups = 2});
    run("conv2d.depthwise", {.groups = 4});
  });
}

TEST_CASE("golden: batch normalisation") {
  each_device([](const Golden& golden) {
    for (const bool training : {true, false}) {
      const std::string name = training ? "batch_norm.training" : "batch_norm.inference";
      const Tensor x = golden.leaf(name + "/input"), s = golden.leaf(name + "/scale"),
                   o = golden.leaf(name + "/offset");
      const Tensor mean = golden(name + "/running_mean"), variance = golden(name + "/running_variance");
      const BatchNormOptions options{.momentum = 0.9f, .epsilon = 1e-5f};
      const Tensor y = training ? batch_norm_training(x, s, o, mean, variance, options)
                                : batch_norm_inference(x, s, o, mean, variance, options);
      golden.check_case(name, y, {{"input", x}, {"scale", s}, {"offset", o}});
      if (training) {
        golden.check(mean, name + "/moved_mean");
        golden.check(variance, name + "/moved_variance");
      }
    }
  });
}

TEST_CASE("golden: activations") {
  each_device([](const Golden& golden) {
    const auto run = [&](const std::string& name, const auto& function) {
      const Tensor x = golden.leaf(name + "/input");
      golden.check_case(name, function(x), {{"input", x}});
    };
    run("activation.relu", [](const Tensor& x) { return relu(x); });
    run("activation.relu6", [](const Tensor& x) { return relu6(x * 4.0); });
    run("activation.leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.1f); });
    run("activation.sigmoid", [](const Tensor& x) { return sigmoid(x); });
    run("activation.tanh", [](const Tensor& x) { return tanh(x); });
  });
}

TEST_CASE("golden: max pooling") {
  each_device([](const Golden& golden) {
    const auto run = [&](const std::string& name, const MaxPool2dOptions& options) {
      const Tensor x = golden.leaf(name + "/input");
      golden.check_case(name, max_pool2d(x, options), {{"input", x}});
    };
    run("max_pool2d.valid", {3, 2, 2, 1, Padding::valid()});
    run("max_pool2d.same", {2, 2, 2, 2, Padding::same()});
  });
}

TEST_CASE("golden: linear and log-softmax") {
  each_device([](const Golden& golden) {
    const Tensor x = golden.leaf("linear/input"), w = golden.leaf("linear/weight"),
                 b = golden.leaf("linear/bias");
    golden.check_case("linear", linear(x, w, b), {{"input", x}, {"weight", w}, {"bias", b}});
    const Tensor z = golden.leaf("log_softmax/input");
    golden.check_case("log_softmax", log_softmax(z), {{"input", z}});
  });
}

TEST_CASE("golden: LSTM, variable lengths") {
  each_device([](const Golden& golden) {
    for (const int directions : {1, 2}) {
      const std::string name = directions == 1 ? "lstm.forward" : "lstm.both";
      const Tensor x = golden.leaf(name + "/input"), w_ih = golden.leaf(name + "/w_ih");
      const Tensor w_hh = golden.leaf(name + "/w_hh"), bias = golden.leaf(name + "/bias");
      const Tensor y = lstm(x, w_ih, w_hh, bias, {.directions = directions}, golden(name + "/frames"));
      golden.check_case(name, y, {{"input", x}, {"w_ih", w_ih}, {"w_hh", w_hh}, {"bias", bias}});
    }
  });
}

TEST_CASE("golden: CTC with repeats, an empty label, one that just fits, and a single frame") {
  each_device([](const Golden& golden) {
    const Tensor logits = golden.leaf("ctc_loss/logits");
    const Tensor loss = ctc_loss(logits, golden("ctc_loss/labels"), golden("ctc_loss/label_lengths"),
                                 golden("ctc_loss/frames"));
    golden.check_case("ctc_loss", loss, {{"logits", logits}}, "loss");
  });
}

TEST_CASE("golden: ten steps of every optimiser") {
  const Golden golden("cpu", DType::f32, 2e-5);
  const std::vector<double> gradients = golden.values("optimizer.adam/gradients");
  const auto run = [&](const std::string& name, const char* text, double rate, float decay) {
    const std::string at = "optimizer." + name;
    const Tensor p = golden.leaf(at + "/start");
    const Optimizer optimizer({{"p", p}}, parse_optimizer(text), {{"*", decay}});
    for (int step = 0; step < 10; ++step) {
      std::vector<float> g(13);
      for (std::size_t i = 0; i < g.size(); ++i)
        g[i] = static_cast<float>(gradients[static_cast<std::size_t>(step) * 13 + i]);
      p.set_grad(Tensor::from(golden.device, {13}, g));
      optimizer.prepare(step, rate);
      optimizer.step();
    }
    golden.check(p, at + "/end");
  };
  run("sgd", "sgd:momentum=.9,nesterov", 0.1, 0.01f);
  run("adam", "adam", 0.01, 0.01f);
  run("adamw", "adamw", 0.01, 0.1f);
  run("rmsprop", "rmsprop:decay=.95,momentum=.5,epsilon=1e-6", 0.01, 0);
  run("adadelta", "adadelta:decay=.9,epsilon=1e-6", 1.0, 0);
}

TEST_CASE("golden: ten steps of training a CRNN, recorded and replayed") {
  const Golden golden("cpu", DType::f32, 2e-3);  // single precision drifts over ten steps of Adam
  const Device& device = golden.device;
  const auto start = [&](const char* name) { return golden.leaf(std::string("training/start_") + name); };
  const std::vector<NamedTensor> parameters{{"conv", start("conv")},
                                            {"scale", start("scale")},
                                            {"offset", start("offset")},
                                            {"w_ih", start("w_ih")},
                                            {"w_hh", start("w_hh")},
                                            {"bias", start("bias")},
                                            {"output_weight", start("output_weight")},
                                            {"output_bias", start("output_bias")}};
  const auto p = [&](std::size_t i) { return parameters[i].tensor; };
  const Tensor mean = Tensor::zeros(device, {4}), variance = Tensor::full(device, {4}, 1);
  const Optimizer optimizer(parameters, parse_optimizer("adam"), {}, 2.0f);

  const Tensor images = Tensor::zeros(device, {3, 8, 16, 1}),
               labels = Tensor::zeros(device, {3, 3}, DType::i32);
  const Tensor lengths = Tensor::full(device, {3}, 3, DType::i32);
  Tensor loss;
  Program step = record([&] {
    Tensor y = conv2d(images, p(0));
    y = batch_norm_training(y, p(1), p(2), mean, variance,
                            {.activation = {ActivationKind::leaky_relu, 0.1f}});
    y = columns_to_sequence(max_pool2d(y));
    y = linear(lstm(y, p(3), p(4), p(5), {.directions = 2}), p(6), p(7));
    const Tensor total = tapeline::mean(ctc_loss(y, labels, lengths));
    loss = total.detach();
    total.backward();
    optimizer.step();
    optimizer.zero_grad();
  });
  step.compile();

  const std::vector<double> all_images = golden.values("training/images"),
                            all_labels = golden.values("training/targets");
  std::vector<double> losses, norms;
  for (std::size_t i = 0; i < 10; ++i) {
    images.upload(std::vector<float>(all_images.begin() + static_cast<std::ptrdiff_t>(i * 384),
                                     all_images.begin() + static_cast<std::ptrdiff_t>((i + 1) * 384)));
    labels.upload(std::vector<std::int32_t>(all_labels.begin() + static_cast<std::ptrdiff_t>(i * 9),
                                            all_labels.begin() + static_cast<std::ptrdiff_t>((i + 1) * 9)));
    optimizer.prepare(static_cast<std::int64_t>(i), 0.01);
    step.replay();
    losses.push_back(loss.item());
    norms.push_back(optimizer.gradient_norm().item());
  }
  golden.check(losses, "training/losses");
  golden.check(norms, "training/norms");
  golden.check(mean, "training/running_mean");
  golden.check(variance, "training/running_variance");
  for (const NamedTensor& parameter : parameters)
    golden.check(parameter.tensor, "training/end_" + parameter.name);
}

}  // namespace tapeline
