// Shapes, the tape, and recorded programs: what every op stands on.

#include <doctest/doctest.h>

#include "backends/registry.h"
#include "engine/autograd.h"
#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "engine/passes.h"
#include "engine/program.h"

namespace tapeline {

namespace {

Device reference() { return open_device("reference"); }

Tensor leaf(const Device& device, std::initializer_list<float> values) {
  Tensor tensor = Tensor::from<float>(device, {static_cast<std::int64_t>(values.size())}, values);
  return tensor.set_requires_grad();
}

}  // namespace

TEST_CASE("shape: extents, elements, limits") {
  const Shape shape{2, 3, 4};
  CHECK(shape.text() == "[2, 3, 4]");
  CHECK(shape.elements() == 24);
  CHECK(shape[-1] == 4);
  CHECK(Shape{}.elements() == 1);
  CHECK(Shape{5, 0, 7}.elements() == 0);
  CHECK_THROWS_WITH_AS(shape[3], "shape [2, 3, 4] has no axis 3", Error);
  CHECK_THROWS_AS((Shape{1, -1}), Error);
  CHECK_THROWS_AS((Shape{1, 2, 3, 4, 5, 6, 7}), Error);
  CHECK_THROWS_AS((Shape{std::int64_t{1} << 40, std::int64_t{1} << 40}), Error);
}

TEST_CASE("shape: broadcasting") {
  CHECK(broadcast({2, 1, 4}, {3, 1}, "add") == Shape{2, 3, 4});
  CHECK(broadcast({}, {3}, "add") == Shape{3});
  CHECK(broadcast({0}, {1}, "add") == Shape{0});
  CHECK_THROWS_WITH_AS(broadcast({2, 3}, {2}, "add"),
                       "add: shapes [2, 3] and [2] do not broadcast: axis 1 from the end has 3 and 2", Error);
}

TEST_CASE("tensor: values in and out") {
  const Device device = reference();
  const Tensor tensor = Tensor::from<std::int32_t>(device, {2, 2}, {1, 2, 3, 4});
  CHECK(tensor.to_vector<std::int32_t>() == std::vector<std::int32_t>{1, 2, 3, 4});
  CHECK_THROWS_WITH_AS(tensor.to_vector<float>(), "to_vector: the tensor [2, 2] is i32, not f32", Error);
  CHECK_THROWS_WITH_AS(tensor.item(), "item: the tensor [2, 2] has 4 elements, not one", Error);
  CHECK_THROWS_WITH_AS(Tensor::from<float>(device, {3}, {1.f}), "tensor: 1 values do not fill the shape [3]",
                       Error);
  CHECK_THROWS_AS(tensor.upload(std::vector<std::int32_t>{1}), Error);
  CHECK_THROWS_AS(Tensor().item(), Error);
  CHECK(Tensor::full(device, {}, 2.5).item() == 2.5);
}

TEST_CASE("tape: gradients of a tensor that is used more than once add up") {
  const Tensor x = leaf(reference(), {1, 2, 3});
  sum(x * x + x).backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{3, 5, 7});
  sum(x * x + x).backward();  // a leaf gathers
  CHECK(x.grad().to_vector<float>() == std::vector<float>{6, 10, 14});
}

TEST_CASE("tape: is used up, and says so") {
  const Tensor x = leaf(reference(), {1, 2});
  const Tensor y = sum(x * x);
  y.backward();
  CHECK_THROWS_AS(y.backward(), Error);
  CHECK_THROWS_AS((x * x).backward(), Error);           // not a scalar
  CHECK_THROWS_AS(x.detach().backward(), Error);        // wants nothing
  CHECK_THROWS_AS((x * x).set_requires_grad(), Error);  // not a leaf
}

TEST_CASE("tape: off under NoGrad, and where nobody wants a gradient") {
  const Tensor x = leaf(reference(), {1});
  {
    const NoGrad off;
    CHECK_FALSE((x + x).requires_grad());
  }
  CHECK((x + x).requires_grad());
  CHECK_FALSE((x.detach() + 1.0).requires_grad());
}

TEST_CASE("tape: a hundred thousand nodes, walked or dropped, need no stack") {
  const Tensor x = leaf(reference(), {1});
  const auto chain = [&] {
    Tensor y = x;
    for (int i = 0; i < 100'000; ++i) y = y + 0.0;
    return y;
  };
  chain();
  chain().backward();
  CHECK(x.grad().item() == 1);
}

TEST_CASE("program: replays what was recorded, with the inputs of the moment") {
  const Device device = reference();
  const Tensor x = Tensor::from<float>(device, {2}, {1, 2});
  Tensor y;
  Program program = record([&] { y = x * x + 1.0; });
  CHECK_THROWS_AS(y.to_vector<float>(), Error);
  CHECK_THROWS_AS(program.replay(), Error);
  program.compile();
  program.replay();
  CHECK(y.to_vector<float>() == std::vector<float>{2, 5});
  x.upload(std::vector<float>{3, 4});
  program.replay();
  CHECK(y.to_vector<float>() == std::vector<float>{10, 17});
  CHECK_THROWS_AS(program.compile(), Error);
}

TEST_CASE("program: memory is shared by lifetime, results that are held keep theirs") {
  const Device device = reference();
  const Tensor x = Tensor::full(device, {1024}, 1);
  Tensor early, last;
  Program program = record([&] {
    Tensor y = x + 1.0;
    early = y;
    for (int i = 0; i < 20; ++i) y = y + 1.0;
    last = y;
  });
  program.compile();
  program.replay();
  program.replay();
  CHECK(early.to_vector<float>()[1023] == 2);
  CHECK(last.to_vector<float>()[1023] == 22);
  CHECK(program.unshared_bytes() == 21 * 4096);
  CHECK(program.arena_bytes() == 4 * 4096);  // the two results, and two that take turns
}

TEST_CASE("program: a kernel that may writes over what it reads for the last time") {
  const Device device = reference();
  const Tensor x = Tensor::from<float>(device, {2}, {-1, 3});
  Tensor last, held;
  Program program = record([&] {
    Tensor y = x + 1.0;
    for (int i = 0; i < 5; ++i) y = sigmoid(y);
    held = y;
    last = relu(sigmoid(sigmoid(y)));
  });
  program.compile();
  program.replay();
  program.replay();
  CHECK(program.arena_bytes() == 3 * 256);  // two results, and one place for all others
  CHECK(held.to_vector<float>()[0] == doctest::Approx(0.6583).epsilon(1e-3));
  CHECK(last.to_vector<float>()[0] == doctest::Approx(0.6590).epsilon(1e-3));
}

TEST_CASE("program: work that nobody reads is dropped") {
  const Device device = reference();
  const Tensor x = Tensor::full(device, {4}, 1);
  Tensor kept;
  Program program = record([&] {
    const Tensor unread = exp(exp(x));
    kept = x + 1.0;
  });
  CHECK(program.kernels().size() == 3);
  program.compile();
  CHECK(program.kernels().size() == 1);
  program.replay();
  CHECK(kept.to_vector<float>()[0] == 2);
}

TEST_CASE("program: results outlive it") {
  const Device device = reference();
  const Tensor x = Tensor::full(device, {4}, 1);
  Tensor y;
  {
    Program program = record([&] { y = x + 1.0; });
    program.compile();
    program.replay();
  }
  CHECK(y.to_vector<float>()[3] == 2);
}

TEST_CASE("program: misuse is told") {
  const Device device = reference();
  const Tensor x = Tensor::full(device, {4}, 1);
  CHECK_THROWS_AS(record([&] { record([] {}); }), Error);
  CHECK_THROWS_AS(record([&] { x.to_vector<float>(); }), Error);
  CHECK_FALSE(recording());
  Program nothing = record([] {});
  CHECK_THROWS_AS(nothing.compile(), Error);
  const Tensor elsewhere = Tensor::full(reference(), {4}, 1);
  CHECK_THROWS_AS(x + elsewhere, Error);
}

}  // namespace tapeline
