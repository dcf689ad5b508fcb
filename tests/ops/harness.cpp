#include "tests/ops/harness.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "backends/registry.h"
#include "engine/half.h"
#include "engine/program.h"
#include "engine/random.h"

namespace tapeline::testing {
namespace {

// Devices ---------------------------------------------------------------------------------------------------

struct Named {
  std::string name;
  Device device;
};

struct Devices {
  std::vector<Named> all;           // each asked for value, gradient, recording
  std::vector<Named> more_threads;  // compared with `one_thread`
  Named one_thread;
};

// With TAPELINE_TEST_DEVICE=cuda only CUDA devices are asked, and what is said of the plain loops is taken as
// tested. Vulkan devices are asked only so: their tests say how the software driver is to be set up.
const char* only_device() { return std::getenv("TAPELINE_TEST_DEVICE"); }
bool wanted(const std::string& id) {
  const std::string kind = id.substr(0, id.find(':'));
  return only_device() ? kind == only_device() : kind != "vulkan";
}

const Devices& devices() {
  static const Devices opened = [] {
    Devices d;
    for (const DeviceEntry& entry : list_devices()) {
      if (!entry.usable || !wanted(entry.info.id)) continue;
      if (entry.info.id == "reference" && std::getenv("TAPELINE_CPU")) continue;
      d.all.push_back(
          {entry.info.id, open_device(entry.info.id, {.threads = entry.info.id == "cpu" ? 1 : 0})});
      if (entry.info.id != "cpu") continue;
      d.one_thread = d.all.back();
      for (const int threads : {2, 3})
        d.more_threads.push_back(
            {fmt::format("cpu with {} threads", threads), open_device("cpu", {.threads = threads})});
    }
    if (d.all.empty())
      throw Error("TAPELINE_TEST_DEVICE={}: there is no such device that can be used", only_device());
    return d;
  }();
  return opened;
}

// Operands --------------------------------------------------------------------------------------------------

// What a row is run on: the same numbers for every device and type.
struct Operands {
  std::vector<Values> inputs;
  std::uint64_t seed = 0;
  Precision precision = Precision::fp32;  // that all are rounded to

  void round(Values& values) const {
    if (precision == Precision::fp32) return;
    for (double& v : values)
      v = precision == Precision::bf16 ? bfloat16_to_float(double_to_bfloat16(v))
                                       : half_to_float(double_to_half(v));
  }
  Values projection(std::size_t size) const {  // the gradient that comes back from the result
    Random random(seed, 1);
    Values values(size);
    for (double& v : values) v = random.uniform(-1, 1);
    round(values);
    return values;
  }
};

Operands draw(const Row& row, Precision precision = Precision::fp32) {
  Operands operands;
  operands.precision = precision;
  for (const char c : row.name) operands.seed = operands.seed * 31 + static_cast<unsigned char>(c);
  Random random(operands.seed);
  for (const Input& input : row.inputs) {
    Values values(static_cast<std::size_t>(input.shape.elements()));
    for (double& v : values)
      v = random.uniform(static_cast<float>(input.low), static_cast<float>(input.high));
    operands.round(values);
    operands.inputs.push_back(std::move(values));
  }
  return operands;
}

Tensor upload_new(const Device& device, const Shape& shape, const Values& values, DType dtype) {
  if (dtype == DType::f64) return Tensor::from<double>(device, shape, values);
  return Tensor::from<float>(device, shape, std::vector<float>(values.begin(), values.end()));
}

Inputs make_inputs(const Row& row, const Operands& operands, const Device& device, DType dtype) {
  Inputs tensors;
  for (std::size_t i = 0; i < row.inputs.size(); ++i) {
    const Input& input = row.inputs[i];
    if (input.integer) {
      tensors.push_back(Tensor::from<std::int32_t>(device, input.shape, input.integers));
      continue;
    }
    tensors.push_back(upload_new(device, input.shape, operands.inputs[i], dtype));
    if (input.differentiated) tensors.back().set_requires_grad();
  }
  return tensors;
}

Values download(const Tensor& x) {
  if (x.dtype() == DType::f64) return x.to_vector<double>();
  const std::vector<float> values = x.to_vector<float>();
  return Values(values.begin(), values.end());
}

using Faults = std::vector<std::string>;

// Running ---------------------------------------------------------------------------------------------------

struct Result {
  Values output;
  std::vector<Values> grads;  // one for each input; empty where not differentiated
};

Result read(const Row& row, const Inputs& inputs, const Tensor& output) {
  Result result{download(output), std::vector<Values>(inputs.size())};
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (row.inputs[i].differentiated) result.grads[i] = download(inputs[i].grad());
  return result;
}

void run_back(const Row& row, const Operands& operands, const Inputs& inputs, const Tensor& output,
              Faults& faults) {
  const bool wanted =
      std::any_of(row.inputs.begin(), row.inputs.end(), [](const Input& i) { return i.differentiated; });
  if (output.requires_grad() != wanted)
    faults.push_back(
        fmt::format("{}: the result {} a gradient", row.name, wanted ? "does not take" : "takes"));
  if (wanted)
    output.backward(upload_new(output.device(), output.shape(),
                               operands.projection(static_cast<std::size_t>(output.elements())),
                               inputs[0].dtype()));
}

Result run_eagerly(const Row& row, const Operands& operands, const Device& device, DType dtype,
                   Faults& faults) {
  const Inputs inputs = make_inputs(row, operands, device, dtype);
  const Tensor output = row.run(inputs);
  run_back(row, operands, inputs, output, faults);
  return read(row, inputs, output);
}

// The results of the first and the second replay. Operands are uploaded anew in between: a row may change
// some.
std::vector<Result> run_recorded(const Row& row, const Operands& operands, const Device& device,
                                 Faults& faults) {
  const Inputs inputs = make_inputs(row, operands, device, DType::f32);
  Tensor output;
  Program program = record([&] {
    output = row.run(inputs);
    run_back(row, operands, inputs, output, faults);
  });
  program.compile();
  std::vector<Result> results;
  for (int replay = 0; replay < 2; ++replay) {
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (!row.inputs[i].integer)
        inputs[i].upload(std::vector<float>(operands.inputs[i].begin(), operands.inputs[i].end()));
    program.replay();
    results.push_back(read(row, inputs, output));
  }
  return results;
}

// Comparing -------------------------------------------------------------------------------------------------

using Judge = std::function<std::string(const Values&, const Values&)>;

double largest(const Values& values) {
  double most = 0;
  for (const double v : values)
    if (std::isfinite(v)) most = std::max(most, std::abs(v));
  return most;
}

// "" or what differs. `allowed` is a share of the largest value wanted; what is not finite must be the same.
std::string compare(const Values& found, const Values& wanted, double allowed, double floor) {
  if (found.size() != wanted.size())
    return fmt::format("{} values, {} are wanted", found.size(), wanted.size());
  const double slack = allowed * std::max(largest(wanted), floor);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const bool same = found[i] == wanted[i] || (std::isnan(found[i]) && std::isnan(wanted[i]));
    if (!same && !(std::abs(found[i] - wanted[i]) <= slack))
      return fmt::format("[{}] is {:.9g}, {:.9g} is wanted (within {:.2g})", i, found[i], wanted[i], slack);
  }
  return "";
}

std::string compare_bits(const Values& found, const Values& wanted) {
  if (found.size() != wanted.size())
    return fmt::format("{} values, {} are wanted", found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    if (std::bit_cast<std::uint64_t>(found[i]) != std::bit_cast<std::uint64_t>(wanted[i]))
      return fmt::format("[{}] is {:.17g}, {:.17g} is wanted, to the bit", i, found[i], wanted[i]);
  return "";
}

void expect_same(const std::string& what, const Result& found, const Result& wanted, const Judge& judge,
                 Faults& faults) {
  const auto report = [&](const std::string& of, const std::string& difference) {
    if (!difference.empty()) faults.push_back(what + ": " + of + difference);
  };
  report("result", judge(found.output, wanted.output));
  for (std::size_t i = 0; i < wanted.grads.size(); ++i)
    report(fmt::format("gradient of operand {} ", i), judge(found.grads[i], wanted.grads[i]));
}

// Finite differences ----------------------------------------------------------------------------------------

class Differences {
 public:
  Differences(const Row& row, const Operands& operands, const Result& result, Faults& faults)
      : row_(row), operands_(operands), result_(result), faults_(faults), random_(operands.seed, 2) {}

  // Along a few random directions through all elements, and along each element alone, or a few where there
  // are many.
  void check() {
    constexpr std::size_t kAll = 48, kSample = 8, kDirections = 3;
    for (std::size_t i = 0; i < row_.inputs.size(); ++i) {
      const std::size_t size = operands_.inputs[i].size();
      if (!row_.inputs[i].differentiated || size == 0) continue;
      const double scale = std::max(largest(result_.grads[i]), 1e-3);
      for (std::size_t k = 0; k < kDirections; ++k) {
        Values direction(size);
        for (double& d : direction) d = random_.chance(0.5f) ? 1 : -1;
        compare_along(i, direction, "a random direction", scale * std::sqrt(static_cast<double>(size)));
      }
      for (std::size_t k = 0; k < (size <= kAll ? size : kSample); ++k) {
        const std::size_t at = size <= kAll ? k : random_.below(static_cast<std::uint32_t>(size));
        Values direction(size);
        direction[at] = 1;
        compare_along(i, direction, fmt::format("element {}", at), scale);
      }
    }
  }

 private:
  void compare_along(std::size_t input, const Values& direction, const std::string& what, double scale) {
    constexpr double kStep = 1e-5, kTolerance = 2e-6;
    double expected = 0;
    for (std::size_t k = 0; k < direction.size(); ++k) expected += result_.grads[input][k] * direction[k];
    const double measured = (moved(input, direction, kStep) - moved(input, direction, -kStep)) / (2 * kStep);
    if (!(std::abs(measured - expected) <= kTolerance * scale))
      faults_.push_back(fmt::format("{}: gradient of operand {} along {} is {}, finite differences say {}",
                                    row_.name, input, what, expected, measured));
  }

  // The result, projected to one number, with one operand moved.
  double moved(std::size_t input, const Values& direction, double step) const {
    Operands operands = operands_;
    for (std::size_t k = 0; k < direction.size(); ++k) operands.inputs[input][k] += step * direction[k];
    Row still = row_;
    for (Input& i : still.inputs) i.differentiated = false;
    const Values output = download(still.run(make_inputs(still, operands, reference(), DType::f64)));
    const Values projection = operands_.projection(output.size());
    double sum = 0;
    for (std::size_t k = 0; k < output.size(); ++k) sum += output[k] * projection[k];
    return sum;
  }

  const Row& row_;
  const Operands& operands_;
  const Result& result_;
  Faults& faults_;
  Random random_;
};

void check_row(const Row& row, Faults& faults) {
  const Operands operands = draw(row);
  const Result truth = run_eagerly(row, operands, reference(), DType::f64, faults);
  if (row.smooth && !std::getenv("TAPELINE_CPU") && !only_device())
    Differences(row, operands, truth, faults).check();

  const Judge close = [&](const Values& a, const Values& b) { return compare(a, b, row.tolerance, 1e-3); };
  for (const auto& [name, device] : devices().all) {
    const Result eager = run_eagerly(row, operands, device, DType::f32, faults);
    expect_same(fmt::format("{} on {}", row.name, name), eager, truth, close, faults);
    for (const Result& replayed : run_recorded(row, operands, device, faults))
      expect_same(fmt::format("{} on {}, recorded", row.name, name), replayed, eager, compare_bits, faults);
    if (device != devices().one_thread.device) continue;
    for (const auto& [threaded_name, threaded] : devices().more_threads)
      expect_same(fmt::format("{} on {}", row.name, threaded_name),
                  run_eagerly(row, operands, threaded, DType::f32, faults), eager, compare_bits, faults);
  }
}

/// A precision, and the devices that are to give the same bits in it.
struct InHalf {
  Precision precision;
  std::vector<Named> devices;
};

const std::vector<InHalf>& in_half() {
  static const std::vector<InHalf> opened = [] {
    std::vector<InHalf> all;
    for (const DeviceEntry& entry : list_devices()) {
      const std::string& id = entry.info.id;
      if (!entry.usable || !wanted(id)) continue;
      const std::vector<int> threads = id == "cpu" ? std::vector{1, 2, 3} : std::vector{0};
      for (const Precision precision : entry.info.precisions) {
        if (precision != Precision::bf16 && precision != Precision::fp16) continue;
        InHalf same{precision, {}};
        for (const int t : threads)
          same.devices.push_back({fmt::format("{} in {} with {} threads", id, name_of(precision), t),
                                  open_device(id, {.threads = t, .precision = precision})});
        all.push_back(std::move(same));
      }
    }
    return all;
  }();
  return opened;
}

void check_row_in_half(const Row& row, Faults& faults) {
  for (const InHalf& same : in_half()) {
    const Operands operands = draw(row, same.precision);
    const Result truth = run_eagerly(row, operands, reference(), DType::f64, faults);
    const Judge close = [&](const Values& a, const Values& b) { return compare(a, b, row.tolerance, 1e-3); };
    Result first;
    for (const auto& [name, device] : same.devices) {
      const Result result = run_eagerly(row, operands, device, DType::f32, faults);
      const bool is_first = device == same.devices.front().device;
      expect_same(fmt::format("{} on {}", row.name, name), result, is_first ? truth : first,
                  is_first ? close : compare_bits, faults);
      if (is_first) first = result;
    }
    if (same.precision != Precision::fp16) continue;
    for (const Result& replayed : run_recorded(row, operands, same.devices.front().device, faults))
      expect_same(fmt::format("{} in fp16, recorded", row.name), replayed, first, compare_bits, faults);
  }
}

Faults faults_of(const Row& row, void (*check)(const Row&, Faults&)) {
  Faults faults;
  try {
    check(row, faults);
  } catch (const std::exception& error) {
    faults.push_back(fmt::format("{} threw: {}", row.name, error.what()));
  }
  return faults;
}

void for_rows(const std::vector<Row>& rows, void (*check)(const Row&, Faults&)) {
  for (const Row& row : rows) {
    const Faults faults = faults_of(row, check);
    CHECK(faults.empty());
    for (const std::string& fault : faults) FAIL_CHECK(fault);
  }
}

}  // namespace

Input random(Shape shape, double low, double high) { return {shape, low, high, true, false, {}}; }
Input constant(Shape shape, double low, double high) { return {shape, low, high, false, false, {}}; }
Input integers(Shape shape, std::initializer_list<std::int32_t> values) {
  return {shape, 0, 0, false, true, values};
}
Input integers(std::initializer_list<std::int32_t> values) {
  return integers({static_cast<std::int64_t>(values.size())}, values);
}

std::vector<std::string> faults_of(const Row& row) { return faults_of(row, check_row); }
void check_rows(const std::vector<Row>& rows) { for_rows(rows, check_row); }
void check_rows_in_half(const std::vector<Row>& rows) { for_rows(rows, check_row_in_half); }

void check_wrong(const std::vector<Wrong>& wrongs) {
  for (std::size_t i = 0; i < wrongs.size(); ++i) {
    std::string message;
    try {
      wrongs[i].run();
      FAIL_CHECK("wrong input ", i, " was taken");
      continue;
    } catch (const Error& error) {
      message = error.what();
    }
    for (const std::string& text : wrongs[i].texts)
      CHECK_MESSAGE(message.find(text) != std::string::npos, "the message of wrong input ", i, ", '", message,
                    "', does not hold '", text, "'");
  }
}

const Device& reference() {
  static const Device device = open_device("reference");
  return device;
}

Tensor zeros(Shape shape, DType dtype) { return Tensor::zeros(reference(), shape, dtype); }
Tensor f64(Shape shape, std::initializer_list<double> values) {
  return Tensor::from<double>(reference(), shape, values);
}
Tensor i32(Shape shape, std::initializer_list<std::int32_t> values) {
  return Tensor::from<std::int32_t>(reference(), shape, values);
}
Tensor i32(std::initializer_list<std::int32_t> values) {
  return i32({static_cast<std::int64_t>(values.size())}, values);
}
Tensor counting(Shape shape) {
  Values values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i + 1);
  return Tensor::from<double>(reference(), shape, values);
}

std::string differs(const Tensor& x, const Values& wanted) { return compare(download(x), wanted, 1e-12, 1); }

TEST_CASE("harness: the processor is among the devices asked") {
  if (only_device()) return;
  CHECK(devices().one_thread.device != nullptr);
  CHECK(devices().more_threads.size() == 2);
}

TEST_CASE("harness: it finds a wrong value, a wrong bit, and a value that is not finite") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity(),
                   kNan = std::numeric_limits<double>::quiet_NaN();
  CHECK(compare({1, 2}, {1, 2 + 1e-6}, 1e-5, 0) == "");
  CHECK(compare({1, 2}, {1, 2 + 1e-4}, 1e-5, 0) != "");
  CHECK(compare({1}, {1, 1}, 1, 0) != "");
  CHECK(compare({kInfinity, kNan}, {kInfinity, kNan}, 1, 0) == "");
  CHECK(compare({1}, {kInfinity}, 1, 0) != "");
  CHECK(compare({kNan}, {1}, 1, 0) != "");
  CHECK(compare_bits({0.0}, {-0.0}) != "");
  CHECK(compare_bits({1.5}, {1.5}) == "");
}

}  // namespace tapeline::testing
