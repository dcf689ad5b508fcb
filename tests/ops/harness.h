#pragma once

// One table an op; of every row the harness asks:
//   value      is the result on each device in f32 that of the plain loops in f64?
//   gradient   are the gradients of the plain loops those found by finite differences in f64, and the ones of
//              each device in f32 those of the plain loops?
//   recorded   does a recorded program, replayed twice, give the same bits as eager submission, both ways?
//   threads    does the CPU give the same bits with one, two and three threads?
// Devices are those that backends/registry.h lists, or those of one kind where TAPELINE_TEST_DEVICE names it.
// With TAPELINE_CPU set (an instruction set of the CPU backend) what does not depend on it is left out.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace tapeline::testing {

/// An operand: floats drawn from [low, high) and rounded to f32, or, where there are any, these integers as
/// i32.
struct Input {
  Shape shape;
  double low = -1, high = 1;
  bool differentiated = true;
  bool integer = false;
  std::vector<std::int32_t> integers;
};

Input random(Shape shape, double low = -1, double high = 1);
/// The same, and no gradient is asked for.
Input constant(Shape shape, double low = -1, double high = 1);
Input integers(std::initializer_list<std::int32_t> values);
Input integers(Shape shape, std::initializer_list<std::int32_t> values);

using Inputs = std::vector<Tensor>;

struct Row {
  std::string name;
  std::vector<Input> inputs;
  std::function<Tensor(const Inputs&)> run;
  double tolerance = 2e-5;  // of f32, as a share of the largest value of the tensor compared
  bool smooth = true;       // false: finite differences mean nothing here
};

void check_rows(const std::vector<Row>& rows);

/// What the harness has to say against a row; nothing where it is right.
std::vector<std::string> faults_of(const Row& row);

/// For rows whose only products are of two operands, or of one and the gradient that comes back: with all of
/// these rounded to bf16 or fp16, a device with that --precision must give what the plain loops give in f64,
/// as exactly as in f32, for a product of two such factors is exact in f32. Asked are the CPU in bf16, with
/// threads as above (where the processor lacks AVX512_BF16, only the emulation, TAPELINE_CPU=portable), and
/// Vulkan devices in fp16, recorded too.
void check_rows_in_half(const std::vector<Row>& rows);

/// Something that must throw an Error whose text holds all of these.
struct Wrong {
  std::function<void()> run;
  std::vector<std::string> texts;
};

void check_wrong(const std::vector<Wrong>& wrongs);

/// The plain loops, where hand-made values are checked.
const Device& reference();
/// On reference().
Tensor zeros(Shape shape, DType dtype = DType::f32);
Tensor f64(Shape shape, std::initializer_list<double> values);
Tensor i32(std::initializer_list<std::int32_t> values);
Tensor i32(Shape shape, std::initializer_list<std::int32_t> values);
/// 1, 2, 3, ... as f64.
Tensor counting(Shape shape);

using Values = std::vector<double>;
inline Values values_of(const Tensor& x) { return x.to_vector<double>(); }
/// "" where all agree within 1e-12 of the largest, what differs otherwise.
std::string differs(const Tensor& x, const Values& wanted);

}  // namespace tapeline::testing
