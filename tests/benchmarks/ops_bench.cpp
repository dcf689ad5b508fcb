// Single operations, recorded as programs and measured on request, so that they can be set beside other
// libraries' on the same numbers: ops_bench gemm --size 512,512,512 --threads 2 --dump gemm.safetensors

#include <fmt/format.h>

#include <cstdio>
#include <sstream>

#include "apps/arguments.h"
#include "apps/device_options.h"
#include "apps/measure.h"
#include "engine/autograd.h"
#include "engine/io/safetensors.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/ctc_loss.h"
#include "engine/ops/lstm.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduce.h"
#include "engine/program.h"
#include "engine/random.h"

namespace tapeline {

namespace {

struct OpArguments {
  DeviceChoice device;
  std::string size, dump;
  bool backward = false;
};

/// Operands, and what is to be computed of them while it is recorded: results by name.
struct Op {
  std::vector<NamedTensor> operands;
  std::function<std::vector<NamedTensor>()> compute;
};

using Sizes = std::vector<std::int64_t>;

Sizes parse_sizes(const std::string& text, std::size_t count) {
  Sizes sizes;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const int value = word.size() > 6 ? 0 : std::atoi(word.c_str());
    if (value < 1) throw UsageError("--size {}: \"{}\" is not a number from 1 to 999999", text, word);
    sizes.push_back(value);
  }
  if (sizes.size() != count) throw UsageError("--size {}: {} numbers are needed", text, count);
  return sizes;
}

/// A leaf whose gradient is wanted, or not.
Tensor uniform(const Device& device, Random& random, Shape shape, float bound, bool gradient) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = random.uniform(-bound, bound);
  return Tensor::from(device, shape, values).set_requires_grad(gradient);
}

/// The result of `op`, and where it is on the tape also the gradients of all operands, for a gradient of 1 in
/// each element of the output.
std::vector<NamedTensor> with_gradients(const std::vector<NamedTensor>& operands,
                                        const std::function<Tensor()>& op) {
  const Tensor output = op();
  std::vector<NamedTensor> results{{"output.y", output.detach()}};
  if (!output.requires_grad()) return results;
  sum(output).backward();
  for (const auto& [name, tensor] : operands) {
    results.push_back({"output.grad_" + name, tensor.grad()});
    tensor.set_grad({});
  }
  return results;
}

/// M,K,N
Op gemm(const Device& device, const OpArguments& arguments, Random& random) {
  const Sizes s = parse_sizes(arguments.size, 3);
  const Tensor a = uniform(device, random, {s[0], s[1]}, 1, arguments.backward),
               b = uniform(device, random, {s[1], s[2]}, 1, arguments.backward);
  const std::vector<NamedTensor> operands{{"a", a}, {"b", b}};
  return {operands, [=] { return with_gradients(operands, [&] { return matmul(a, b); }); }};
}

/// BATCH,HEIGHT,WIDTH,IN,OUT: 3x3, stride 1, padded.
Op convolution(const Device& device, const OpArguments& arguments, Random& random) {
  const Sizes s = parse_sizes(arguments.size, 5);
  const Tensor input = uniform(device, random, {s[0], s[1], s[2], s[3]}, 1, arguments.backward);
  const Tensor weight = uniform(device, random, {3, 3, s[3], s[4]}, 0.1f, arguments.backward);
  const std::vector<NamedTensor> operands{{"input", input}, {"weight", weight}};
  return {operands, [=] { return with_gradients(operands, [&] { return conv2d(input, weight); }); }};
}

/// BATCH,FRAMES,IN,HIDDEN: both directions.
Op recurrence(const Device& device, const OpArguments& arguments, Random& random) {
  const Sizes s = parse_sizes(arguments.size, 4);
  const Tensor x = uniform(device, random, {s[0], s[1], s[2]}, 1, arguments.backward);
  const Tensor w_ih = uniform(device, random, {s[2], 8 * s[3]}, 0.1f, arguments.backward);
  const Tensor w_hh = uniform(device, random, {2, s[3], 4 * s[3]}, 0.1f, arguments.backward);
  const Tensor bias = uniform(device, random, {8 * s[3]}, 0.1f, arguments.backward);
  const std::vector<NamedTensor> operands{{"x", x}, {"w_ih", w_ih}, {"w_hh", w_hh}, {"bias", bias}};
  return {operands, [=] {
            return with_gradients(operands, [&] { return lstm(x, w_ih, w_hh, bias, {.directions = 2}); });
          }};
}

/// BATCH,FRAMES,CLASSES,LABEL: the loss of each image, and, always, the gradient of their sum in the logits.
Op ctc(const Device& device, const OpArguments& arguments, Random& random) {
  const Sizes s = parse_sizes(arguments.size, 4);
  if (s[2] < 3) throw UsageError("--size {}: CTC needs 3 classes and more", arguments.size);
  const Tensor logits = uniform(device, random, {s[0], s[1], s[2]}, 3, true);
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < s[0] * s[3]; ++i) {
    const auto other = static_cast<std::int32_t>(1 + random.below(static_cast<std::uint32_t>(s[2] - 1)));
    const bool repeats = i > 0 && other == labels.back();
    labels.push_back(repeats ? other % (static_cast<std::int32_t>(s[2]) - 1) + 1 : other);
  }
  const Tensor label = Tensor::from(device, {s[0], s[3]}, labels);
  const Tensor lengths = Tensor::full(device, {s[0]}, static_cast<double>(s[3]), DType::i32);
  return {
      {{"logits", logits}, {"labels", label}, {"label_lengths", lengths}}, [=] {
        const Tensor losses = ctc_loss(logits, label, lengths);
        sum(losses).backward();
        const Tensor gradient = logits.grad();
        logits.set_grad({});
        return std::vector<NamedTensor>{{"output.losses", losses.detach()}, {"output.grad_logits", gradient}};
      }};
}

using MakeOp = Op (*)(const Device&, const OpArguments&, Random&);

int run(const OpArguments& arguments, MakeOp make) {
  const Device device = arguments.device.open();
  Random random(1, 3);
  const Op op = make(device, arguments, random);
  std::vector<NamedTensor> results;
  Program program = record([&] { results = op.compute(); });
  program.compile();
  const auto work = [&] {
    program.replay();
    device->synchronize();
  };
  work();
  if (!arguments.dump.empty()) {
    std::vector<NamedTensor> tensors = results;
    for (const auto& [name, tensor] : op.operands) tensors.push_back({"input." + name, tensor});
    write_safetensors(arguments.dump, tensors);
  }
  measure_on_request(work);
  return 0;
}

template <MakeOp make>
std::function<int()> define(Arguments& arguments) {
  auto given = std::make_shared<OpArguments>();
  arguments.option("--size", given->size, "Extents, with commas between them");
  arguments.option("--dump", given->dump, "Write operands (input.*) and results (output.*) as safetensors");
  arguments.flag("--backward", given->backward,
                 "Also the gradients of all operands, for one of 1; CTC always has them");
  given->device.declare(arguments);
  return [given] { return run(*given, make); };
}

}  // namespace

}  // namespace tapeline

int main(int argc, char** argv) {
  using namespace tapeline;
  const Command commands[] = {
      {"gemm", "A matrix product: --size M,K,N", define<gemm>},
      {"conv", "3x3, stride 1, padded: --size BATCH,HEIGHT,WIDTH,IN,OUT", define<convolution>},
      {"lstm", "Both directions: --size BATCH,FRAMES,IN,HIDDEN", define<recurrence>},
      {"ctc", "Log-softmax, loss and gradient: --size BATCH,FRAMES,CLASSES,LABEL", define<ctc>},
  };
  try {
    return run_command_line(argc, argv, commands);
  } catch (const std::exception& error) {
    fmt::print(stderr, "ops_bench: {}\n", error.what());
    return 1;
  }
}
