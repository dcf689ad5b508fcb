// Ten steps of every method against the same formulas in plain double here, clipping, weight decay by name,
// recorded steps, and what is said about mistakes.

#include "engine/optim/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "backends/registry.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "engine/program.h"
#include "engine/random.h"

namespace tapeline {

namespace {

using Doubles = std::vector<double>;

constexpr std::size_t kSize = 37;

std::vector<float> draw(std::size_t count, std::uint64_t stream) {
  Random random(11, stream);
  std::vector<float> values(count);
  for (float& v : values) v = random.normal();
  return values;
}

NamedTensor make_leaf(const Device& device, const std::string& name, const std::vector<float>& values) {
  Tensor tensor = Tensor::from(device, {static_cast<std::int64_t>(values.size())}, values);
  return {name, tensor.set_requires_grad()};
}

void set_gradient(const NamedTensor& parameter, const std::vector<float>& values) {
  parameter.tensor.set_grad(Tensor::from(parameter.tensor.device(), parameter.tensor.shape(), values));
}

double rate_at(int step) { return 0.1 / (1 + step); }

/// One parameter element by element, as the papers have it.
class Plain {
 public:
  Plain(OptimizerMethod method, double decay) : m_(method), decay_(decay) {}

  void step(Doubles& p, const Doubles& gradient, double rate, int t) {
    first_.resize(p.size()), second_.resize(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) p[i] -= rate * direction(i, p[i], gradient[i], t);
  }

 private:
  double direction(std::size_t i, double p, double g, int t) {
    double &first = first_[i], &second = second_[i];
    const double b1 = m_.beta1, b2 = m_.beta2, rho = m_.decay, epsilon = m_.epsilon;
    if (m_.kind != OptimizerKind::adamw) g += decay_ * p;
    switch (m_.kind) {
      case OptimizerKind::sgd:
        first = m_.momentum * first + g;
        return m_.nesterov ? g + m_.momentum * first : first;
      case OptimizerKind::adam:
      case OptimizerKind::adamw: {
        first += (1 - b1) * (g - first);
        second += (1 - b2) * (g * g - second);
        const double mean = first / (1 - std::pow(b1, t)), square = second / (1 - std::pow(b2, t));
        return mean / (std::sqrt(square) + epsilon) + (m_.kind == OptimizerKind::adamw ? decay_ * p : 0);
      }
      case OptimizerKind::rmsprop:
        second += (1 - rho) * (g * g - second);
        return first = m_.momentum * first + g / (std::sqrt(second) + epsilon);
      case OptimizerKind::adadelta: {
        second += (1 - rho) * (g * g - second);
        const double move = std::sqrt((first + epsilon) / (second + epsilon)) * g;
        first += (1 - rho) * (move * move - first);
        return move;
      }
    }
    return 0;
  }

  OptimizerMethod m_;
  double decay_;
  Doubles first_, second_;
};

const std::vector<std::string> kMethods{"sgd",
                                        "sgd:momentum=.9",
                                        "sgd:momentum=.9,nesterov",
                                        "adam",
                                        "adam:beta1=.5,beta2=.9,epsilon=1e-3",
                                        "adamw",
                                        "rmsprop",
                                        "rmsprop:decay=.9,momentum=.5",
                                        "adadelta",
                                        "adadelta:decay=.5,epsilon=1e-4"};

}  // namespace

TEST_CASE("optimizer: ten steps of every method are those of the formula in double") {
  for (const char* id : {"reference", "cpu"})
    for (const std::string& text : kMethods)
      for (const float decay : {0.f, 0.05f}) {
        CAPTURE(id);
        CAPTURE(text);
        CAPTURE(decay);
        const OptimizerMethod method = parse_optimizer(text);
        const std::vector<float> start = draw(kSize, 0);
        const NamedTensor p = make_leaf(open_device(id), "p", start);
        const Optimizer optimizer({p}, method, {{"p", decay}});
        Doubles expected(start.begin(), start.end());
        Plain plain(method, decay);
        for (int step = 0; step < 10; ++step) {
          const std::vector<float> gradient = draw(kSize, 1 + static_cast<std::uint64_t>(step));
          set_gradient(p, gradient);
          optimizer.prepare(step, rate_at(step));
          optimizer.step();
          plain.step(expected, Doubles(gradient.begin(), gradient.end()), rate_at(step), step + 1);
        }
        const std::vector<float> result = p.tensor.to_vector<float>();
        double worst = 0;
        for (std::size_t i = 0; i < kSize; ++i) worst = std::max(worst, std::abs(result[i] - expected[i]));
        CHECK(worst < 3e-6);
      }
}

TEST_CASE("optimizer: clips by the norm over all parameters") {
  const Device device = open_device("reference");
  const NamedTensor a = make_leaf(device, "a", {0, 0}), b = make_leaf(device, "b", {0});
  const Optimizer optimizer({a, b}, parse_optimizer("sgd"), {}, 1);
  const auto step = [&](float a0, float a1, float b0) {
    set_gradient(a, {a0, a1});
    set_gradient(b, {b0});
    optimizer.prepare(0, 1);
    optimizer.step();
  };
  step(2, 3, 6);  // norm 7
  CHECK(optimizer.gradient_norm().item() == doctest::Approx(7));
  CHECK(a.tensor.to_vector<float>()[0] == doctest::Approx(-2.0 / 7));
  CHECK(a.tensor.to_vector<float>()[1] == doctest::Approx(-3.0 / 7));
  CHECK(b.tensor.item() == doctest::Approx(-6.0 / 7));

  step(0.5f, 0, 0.25f);  // within the limit: as it is
  CHECK(a.tensor.to_vector<float>()[0] == doctest::Approx(-2.0 / 7 - 0.5));
  CHECK(b.tensor.item() == doctest::Approx(-6.0 / 7 - 0.25));

  const std::vector<float> before = a.tensor.to_vector<float>();
  step(std::numeric_limits<float>::quiet_NaN(), 0, 1);
  CHECK_FALSE(std::isfinite(optimizer.gradient_norm().item()));
  CHECK(a.tensor.to_vector<float>() == before);
  step(std::numeric_limits<float>::infinity(), 0, 1);
  CHECK(a.tensor.to_vector<float>() == before);
  CHECK_FALSE(Optimizer({a, b}, parse_optimizer("sgd")).gradient_norm().defined());
}

TEST_CASE("optimizer: a scaled loss gives the same updates, and those that overflow are left out") {
  for (const char* id : {"reference", "cpu"})
    for (const float clip : {0.f, 0.5f})
      for (const std::string& text : kMethods) {
        CAPTURE(id);
        CAPTURE(clip);
        CAPTURE(text);
        const Device device = open_device(id);
        const std::vector<float> start = draw(kSize, 0), gradient = draw(kSize, 1);
        const NamedTensor p = make_leaf(device, "p", start), q = make_leaf(device, "p", start);
        const OptimizerMethod method = parse_optimizer(text);
        const Optimizer plain({p}, method, {{"p", 0.05f}}, clip),
            scaled({q}, method, {{"p", 0.05f}}, clip, true);
        State moments;
        scaled.collect("", moments);
        for (int step = 0; step < 3; ++step) {
          set_gradient(p, gradient);
          plain.prepare(step, 0.01);
          plain.step();
          Tensor loss = sum(q.tensor * Tensor::from(device, q.tensor.shape(), gradient));
          scaled.zero_grad();
          scaled.prepare(step, 0.01, 1024);
          (loss * scaled.loss_scale()).backward();
          CHECK(q.tensor.grad().to_vector<float>()[0] == 1024 * gradient[0]);
          scaled.step();
        }
        CHECK(q.tensor.to_vector<float>() == p.tensor.to_vector<float>());
        if (clip > 0) CHECK(scaled.gradient_norm().item() == plain.gradient_norm().item());

        const auto all = [&] {
          std::vector<std::vector<float>> values{q.tensor.to_vector<float>()};
          for (const NamedTensor& moment : moments.buffers)
            values.push_back(moment.tensor.to_vector<float>());
          return values;
        };
        const auto before = all();
        std::vector<float> overflowing = gradient;
        overflowing.back() = std::numeric_limits<float>::infinity();
        set_gradient(q, overflowing);
        scaled.step();
        CHECK(scaled.gradient_norm().item() == std::numeric_limits<float>::infinity());
        CHECK(all() == before);
      }
}

TEST_CASE("optimizer: weight decay by name, the first rule that matches") {
  const Device device = open_device("reference");
  const NamedTensor weight = make_leaf(device, "conv1.weight", {1}),
                    bias = make_leaf(device, "conv1.bias", {1}), head = make_leaf(device, "head.weight", {1});
  const Optimizer optimizer({weight, bias, head}, parse_optimizer("adamw"),
                            parse_decay_rules("head.*=.25,*.weight=.5"));
  for (const NamedTensor& p : {weight, bias, head}) set_gradient(p, {0});
  optimizer.prepare(0, 0.5);
  optimizer.step();
  CHECK(weight.tensor.item() == 0.75);
  CHECK(bias.tensor.item() == 1);
  CHECK(head.tensor.item() == 0.875);
}

TEST_CASE("optimizer: patterns") {
  CHECK(matches("*", ""));
  CHECK(matches("*", "anything"));
  CHECK(matches("*.weight", "a.b.weight"));
  CHECK_FALSE(matches("*.weight", "weight"));
  CHECK(matches("a*b*c", "aXbYbZc"));
  CHECK_FALSE(matches("a*b*c", "aXbYbZ"));
  CHECK(matches("lstm?.w_*", "lstm1.w_hh"));
  CHECK_FALSE(matches("lstm?.w_*", "lstm12.w_hh"));
  CHECK_FALSE(matches("", "a"));
  CHECK(matches("", ""));
  CHECK(matches("**a**", "a"));
  CHECK_FALSE(matches("*a*a*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));  // and at once
}

TEST_CASE("optimizer: recorded steps equal eager ones bit for bit") {
  const auto train = [](const std::string& id, const std::string& text, bool recorded) {
    const Device device = open_device(id);
    const NamedTensor a = make_leaf(device, "a", draw(kSize, 1)), b = make_leaf(device, "b", draw(kSize, 2));
    const Tensor target = Tensor::from(device, {static_cast<std::int64_t>(kSize)}, draw(kSize, 3));
    const Optimizer optimizer({a, b}, parse_optimizer(text), {{"a", 0.01f}}, 0.5f);
    const auto step = [&] {
      optimizer.zero_grad();
      const Tensor error = a.tensor * b.tensor - target;
      sum(error * error).backward();
      optimizer.step();
    };
    Program program;
    if (recorded) {
      program = record(step);
      optimizer.zero_grad();
      program.compile();
    }
    for (int i = 0; i < 12; ++i) {
      optimizer.prepare(i, rate_at(i));
      recorded ? program.replay() : step();
    }
    State state;
    optimizer.collect("optimizer", state);
    state.buffers.push_back(a);
    state.buffers.push_back(b);
    std::vector<std::vector<float>> all{optimizer.gradient_norm().to_vector<float>()};
    for (const NamedTensor& t : state.buffers) all.push_back(t.tensor.to_vector<float>());
    return all;
  };
  for (const char* id : {"reference", "cpu"})
    for (const std::string& text : kMethods) {
      CAPTURE(id);
      CAPTURE(text);
      const auto eager = train(id, text, false);
      CHECK(eager[0][0] > 0);
      CHECK(eager == train(id, text, true));
    }
}

TEST_CASE("optimizer: with its moments restored, training goes on as if it had not stopped") {
  for (const std::string& text : kMethods) {
    CAPTURE(text);
    const Device device = open_device("reference");
    const auto step = [](const NamedTensor& p, const Optimizer& optimizer, int i) {
      set_gradient(p, draw(kSize, 20 + static_cast<std::uint64_t>(i)));
      optimizer.prepare(i, rate_at(i));
      optimizer.step();
    };
    const NamedTensor p = make_leaf(device, "p", draw(kSize, 1));
    const Optimizer optimizer({p}, parse_optimizer(text));
    for (int i = 0; i < 5; ++i) step(p, optimizer, i);

    const NamedTensor q = make_leaf(device, "p", p.tensor.to_vector<float>());
    const Optimizer resumed({q}, parse_optimizer(text));
    State from, to;
    optimizer.collect("o", from);
    resumed.collect("o", to);
    REQUIRE(from.buffers.size() == to.buffers.size());
    for (std::size_t i = 0; i < from.buffers.size(); ++i) {
      CHECK(from.buffers[i].name == to.buffers[i].name);
      to.buffers[i].tensor.upload(from.buffers[i].tensor.to_vector<float>());
    }
    for (int i = 5; i < 10; ++i) step(p, optimizer, i), step(q, resumed, i);
    CHECK(p.tensor.to_vector<float>() == q.tensor.to_vector<float>());
  }
}

TEST_CASE("optimizer: names of moments") {
  const NamedTensor p = make_leaf(open_device("reference"), "conv1.weight", {1, 2});
  const auto names = [&](const char* text) {
    State state;
    Optimizer({p}, parse_optimizer(text)).collect("optimizer", state);
    std::vector<std::string> result;
    for (const NamedTensor& t : state.buffers) result.push_back(t.name);
    return result;
  };
  const std::string first = "optimizer.first.conv1.weight", second = "optimizer.second.conv1.weight";
  CHECK(names("sgd").empty());
  CHECK(names("sgd:momentum=.9") == std::vector{first});
  CHECK(names("adam") == std::vector{first, second});
  CHECK(names("rmsprop") == std::vector{second});
  CHECK(names("rmsprop:momentum=.1") == std::vector{first, second});
  CHECK(names("adadelta") == std::vector{first, second});
}

TEST_CASE("optimizer: mistakes are named") {
  CHECK_THROWS_WITH_AS(parse_optimizer("lion"),
                       "optimizer: there is no 'lion'; there are: sgd, adam, adamw, rmsprop, adadelta",
                       Error);
  CHECK_THROWS_WITH_AS(parse_optimizer("adam:momentum=.9"),
                       "optimizer adam: no option momentum; there are: beta1, beta2, epsilon", Error);
  for (const char* text : {"", "sgd:nesterov", "sgd:momentum=1", "sgd:momentum=-.1", "adam:beta1=x",
                           "adam:epsilon=0", "adam:beta1", "rmsprop:,", "sgd:momentum=.9,nesterov=perhaps"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_optimizer(text), Error);
  }
  for (const char* text : {"*.weight", "=1", "*=-1", "*=x", "*=1,,*=2"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_decay_rules(text), Error);
  }
  CHECK(parse_decay_rules("").empty());

  const Device device = open_device("reference");
  const NamedTensor p = make_leaf(device, "p", {1, 2});
  const OptimizerMethod adam = parse_optimizer("adam");
  const Optimizer optimizer({p}, adam);
  CHECK_THROWS_WITH_AS(
      optimizer.step(),
      "optimizer: p has no gradient; call backward() on a loss that depends on it, or freeze it", Error);
  CHECK_THROWS_AS(optimizer.prepare(-1, 1), Error);
  CHECK_THROWS_AS(Optimizer({}, adam), Error);
  CHECK_THROWS_AS(Optimizer({{"frozen", Tensor::zeros(device, {2})}}, adam), Error);
  CHECK_THROWS_AS(Optimizer({p}, adam, {{"q*", 0.1f}}), Error);
  CHECK_THROWS_AS(Optimizer({p}, adam, {}, -1), Error);
  CHECK_THROWS_AS(Optimizer({p, make_leaf(open_device("reference"), "elsewhere", {1})}, adam), Error);
  CHECK_THROWS_AS(Optimizer({{"wide", Tensor::zeros(device, {2}, DType::f64).set_requires_grad()}}, adam),
                  Error);
  CHECK_THROWS_AS(record([&] { Optimizer({p}, adam); }), Error);
}

}  // namespace tapeline
