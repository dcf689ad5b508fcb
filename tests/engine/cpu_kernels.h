#pragma once

// Runs one kernel on the CPU backend, with each instruction set that this processor has, and on the
// reference, and compares what they wrote. One thread, two and three must write the same bits, and nothing
// outside the outputs.

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/backend.h"
#include "backends/reference/kernels.h"
#include "engine/error.h"
#include "engine/random.h"

namespace tapeline::cpu_kernels {

inline constexpr std::size_t kGuard = 128;  // bytes before and after each operand
inline constexpr std::byte kUntouched{0xcd};

/// Makes the operands of a kernel: the same values each time.
class Operands {
 public:
  /// Memory that nobody has written: each byte is kUntouched.
  View empty(const Shape& shape, DType dtype = DType::f32) {
    View view;
    view.dtype = dtype;
    view.shape = shape;
    view.offset = kGuard;
    const std::size_t bytes = view.bytes() + 2 * kGuard;
    view.storage = std::make_shared<Storage>(Storage{nullptr, bytes, memory_->allocate(bytes), 0});
    std::memset(view.data<std::byte>() - kGuard, static_cast<int>(kUntouched), bytes);
    views_.push_back(view);
    return view;
  }
  View floats(const Shape& shape, float low = -2, float high = 2) {
    return filled<float>(shape, [&] { return random_.uniform(low, high); });
  }
  View doubles(const Shape& shape) {
    return filled<double>(shape, [&] { return static_cast<double>(random_.uniform(-2, 2)); });
  }
  View integers(const Shape& shape, int low, int high) {
    return filled<std::int32_t>(shape, [&] { return random_.integer(low, high); });
  }
  View bytes(const Shape& shape) {
    return filled<std::uint8_t>(shape, [&] { return static_cast<std::uint8_t>(random_.below(256)); });
  }
  template <typename T>
  View values(const Shape& shape, const std::vector<T>& from) {
    std::size_t next = 0;
    return filled<T>(shape, [&] { return from[next++ % from.size()]; });
  }
  /// Any bits at all, for a type of two bytes.
  View words(const Shape& shape, DType dtype) {
    const View view = empty(shape, dtype);
    for (std::int64_t i = 0; i < view.elements(); ++i)
      view.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(random_.bits());
    return view;
  }

  /// Whether the guards of all operands are as they were.
  bool untouched() const {
    for (const View& view : views_)
      for (std::size_t i = 0; i < kGuard; ++i)
        if ((view.data<std::byte>() - kGuard)[i] != kUntouched ||
            view.data<std::byte>()[view.bytes() + i] != kUntouched)
          return false;
    return true;
  }

 private:
  template <typename T, typename Next>
  View filled(const Shape& shape, Next next) {
    const View view = empty(shape, DTypeOf<T>::value);
    for (std::int64_t i = 0; i < view.elements(); ++i) view.data<T>()[i] = next();
    return view;
  }

  Random random_{7};
  std::shared_ptr<Backend> memory_ = open_cpu(1);
  std::vector<View> views_;
};

inline std::vector<View> outputs_of(const Kernel& kernel) {
  std::vector<View> outputs;
  visit_views(
      kernel, [](const View&) {}, [&](const View& view) { outputs.push_back(view); });
  return outputs;
}

struct OpenBackend {
  std::string isa;
  int threads;
  std::shared_ptr<Backend> backend;
};

/// Those that are asked, and each one's variations, which must give the same bits as the one before them with
/// one thread: cpu_kernels_backends.cpp has each instruction set with one thread, then with two and three.
const std::vector<OpenBackend>& backends();

/// How far apart two outputs are: the largest |a - b| / (1 + |b|), infinite where only one is NaN or
/// infinite, or where integers differ.
template <typename T>
double float_distance(const View& a, const View& b) {
  double worst = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const double x = static_cast<double>(a.data<T>()[i]), y = static_cast<double>(b.data<T>()[i]);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double distance = std::abs(x - y) / (1 + std::abs(y));
    worst = std::isnan(distance) ? INFINITY : std::max(worst, distance);
  }
  return worst;
}
inline double distance(const View& a, const View& b) {
  if (a.dtype == DType::f32) return float_distance<float>(a, b);
  if (a.dtype == DType::f64) return float_distance<double>(a, b);
  return std::memcmp(a.data<std::byte>(), b.data<std::byte>(), a.bytes()) == 0 ? 0 : INFINITY;
}

/// `make(operands)` returns the kernel.
template <typename Make>
void compare(const Make& make, double tolerance) {
  Operands expected_operands;
  const Kernel expected = make(expected_operands);
  reference::run(expected);
  const auto expected_outputs = outputs_of(expected);
  REQUIRE(!expected_outputs.empty());

  std::vector<std::vector<std::byte>> one_thread;
  for (const auto& [isa, threads, backend] : backends()) {
    CAPTURE(isa);
    CAPTURE(threads);
    CAPTURE(name_of(expected));
    Operands operands;
    const Kernel kernel = make(operands);
    backend->run(kernel);
    CHECK(operands.untouched());
    const auto outputs = outputs_of(kernel);
    if (threads == 1) one_thread.clear();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      CAPTURE(i);
      CAPTURE(outputs[i].shape.text());
      CHECK(distance(outputs[i], expected_outputs[i]) <= tolerance);
      const auto* bytes = outputs[i].data<std::byte>();
      std::vector<std::byte> written(bytes, bytes + outputs[i].bytes());
      if (threads == 1)
        one_thread.push_back(std::move(written));
      else
        CHECK((written == one_thread[i]));
    }
  }
}

}  // namespace tapeline::cpu_kernels
