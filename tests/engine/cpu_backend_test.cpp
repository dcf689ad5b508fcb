#include <doctest/doctest.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "backends/cpu/backend.h"
#include "backends/cpu/thread_pool.h"
#include "engine/error.h"

using namespace tapeline;

TEST_CASE("cpu: a pool runs every chunk once, with the boundaries of the loop") {
  for (const int threads : {1, 2, 5}) {
    cpu::ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (int round = 0; round < 300; ++round) {
      const std::int64_t count = round * 7 % 100, grain = 1 + round % 9;
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      std::atomic<bool> right = true;
      pool.parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
        if (begin % grain != 0 || end != std::min(begin + grain, count)) right = false;
        if (cpu::ThreadPool::thread_index() >= threads) right = false;
        for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      });
      for (const auto& times : seen) right = right && times == 1;
      REQUIRE(right);
    }
  }
}

TEST_CASE("cpu: a loop within a loop, and exceptions") {
  cpu::ThreadPool pool(3);
  std::atomic<int> total = 0;
  pool.parallel_for(10, 1, [&](std::int64_t, std::int64_t) {
    pool.parallel_for(10, 3,
                      [&](std::int64_t begin, std::int64_t end) { total += static_cast<int>(end - begin); });
  });
  CHECK(total == 100);
  for (int round = 0; round < 20; ++round)
    CHECK_THROWS_AS(pool.parallel_for(100, 1,
                                      [&](std::int64_t i, std::int64_t) {
                                        if (i == 50) throw std::runtime_error("fifty");
                                      }),
                    std::runtime_error);
  total = 0;
  pool.parallel_for(8, 1, [&](std::int64_t, std::int64_t) { ++total; });
  CHECK(total == 8);
}

TEST_CASE("cpu: memory is aligned, comes back, and has an end") {
  const auto backend = open_cpu(1);
  std::uint64_t before = 0;
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{5} << 20}) {
    const auto block = backend->allocate(bytes);
    CHECK(block->bytes >= bytes);
    CHECK(block->address % 64 == 0);
    before = block->address;
  }
  CHECK(backend->allocate(std::size_t{5} << 20)->address == before);
  CHECK_THROWS_WITH_AS(backend->allocate(std::size_t{1} << 60), doctest::Contains("1099511627776.0 MiB"),
                       Error);
  CHECK(backend->allocate(100));
}

TEST_CASE("cpu: TAPELINE_CPU is obeyed or refused") {
  setenv("TAPELINE_CPU", "sse9", 1);
  CHECK_THROWS_WITH_AS(open_cpu(1), doctest::Contains("portable, avx2, avx512"), Error);
  setenv("TAPELINE_CPU", "portable", 1);
  CHECK(open_cpu(1)->describe().name.ends_with("1 thread, portable"));
  unsetenv("TAPELINE_CPU");
  const DeviceInfo info = open_cpu(2)->describe();
  CHECK(info.id == "cpu");
  CHECK(info.name.find("2 threads") != std::string::npos);
  CHECK(info.memory > 0);
  CHECK(info.peak_flops > 1e8);
  CHECK(info.peak_bytes > 1e8);
}

namespace {

/// The largest error of a kernel over `inputs`, in units of the last place of the exact result; results below
/// the smallest normal number count as right if they are 0 or themselves so small.
template <typename Exact>
double worst_ulp(const std::shared_ptr<Backend>& backend, Kernel (*make)(View),
                 const std::vector<float>& inputs, Exact exact) {
  const std::size_t bytes = inputs.size() * sizeof(float);
  View view;
  view.storage = std::make_shared<Storage>(Storage{backend, bytes, backend->allocate(bytes), 0});
  view.shape = {static_cast<std::int64_t>(inputs.size())};
  backend->upload(*view.storage, 0, std::as_bytes(std::span(inputs)));
  backend->run(make(view));
  double worst = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const double right = exact(static_cast<double>(inputs[i])), got = view.data<float>()[i];
    if (std::abs(right) < 1.2e-38 && std::abs(got) < 1.2e-38) continue;
    const double unit = std::ldexp(1.0, std::ilogb(right) - 23);
    worst = std::max(worst, std::abs(got - right) / unit);
  }
  return worst;
}

}  // namespace

TEST_CASE("cpu: exp, log, sigmoid and tanh are as exact as they say") {
  std::vector<float> any, positive;
  for (std::uint32_t bits = 0x00800000; bits < 0x42af0000; bits += 7919) {  // smallest normal number .. 87.5
    any.push_back(std::bit_cast<float>(bits));
    any.push_back(-any.back());
  }
  for (std::uint32_t bits = 0x00800000; bits < 0x7f800000; bits += 15013)
    positive.push_back(std::bit_cast<float>(bits));
  for (const char* isa : {"portable", "avx2", "avx512"}) {
    setenv("TAPELINE_CPU", isa, 1);
    std::shared_ptr<Backend> backend;
    try {
      backend = open_cpu(1);
    } catch (const Error&) {
    }
    unsetenv("TAPELINE_CPU");
    if (!backend) continue;
    CAPTURE(isa);
    CHECK(worst_ulp(
              backend,
              [](View v) -> Kernel {
                return Unary{v, v, UnaryKind::exp};
              },
              any, [](double x) { return std::exp(x); }) <= 1.5);
    CHECK(worst_ulp(
              backend,
              [](View v) -> Kernel {
                return Unary{v, v, UnaryKind::log};
              },
              positive, [](double x) { return std::log(x); }) <= 1.5);
    CHECK(worst_ulp(
              backend,
              [](View v) -> Kernel {
                return ActivationForward{v, v, {ActivationKind::sigmoid}};
              },
              any, [](double x) { return 1 / (1 + std::exp(-x)); }) <= 2.5);
    CHECK(worst_ulp(
              backend,
              [](View v) -> Kernel {
                return ActivationForward{v, v, {ActivationKind::tanh}};
              },
              any, [](double x) { return std::tanh(x); }) <= 2.5);
  }
}
