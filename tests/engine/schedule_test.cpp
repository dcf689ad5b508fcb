// Learning rates against PyTorch 2.15's schedulers (OneCycleLR, CosineAnnealingLR, MultiStepLR), and by hand.

#include "engine/optim/schedule.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"

namespace tapeline {

namespace {

void check_rates(const Schedule& schedule, std::int64_t total, const std::vector<double>& expected) {
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    CHECK(schedule.at(static_cast<std::int64_t>(step), total) ==
          doctest::Approx(expected[step]).epsilon(1e-9));
  }
}

}  // namespace

TEST_CASE("schedule: constant") { check_rates(parse_schedule("constant", 0.25), 0, {0.25, 0.25, 0.25}); }

TEST_CASE("schedule: exponential, smooth and in stairs") {
  check_rates(parse_schedule("exponential:rate=.25,every=2", 8), 0, {8, 4, 2, 1, 0.5});
  check_rates(parse_schedule("exponential:rate=.25,every=2,staircase", 8), 0, {8, 8, 2, 2, 0.5});
  const Schedule standard = parse_schedule("exponential", 1e-3);
  CHECK(standard.at(10000, 0) == doctest::Approx(0.98e-3));
}

TEST_CASE("schedule: step, as MultiStepLR") {
  const std::vector<double> rates{0.5, 0.5, 0.5, 0.05, 0.05, 0.005, 0.005, 0.005};
  check_rates(parse_schedule("step:at=3/5", 0.5), 0, rates);
  check_rates(parse_schedule("step:rate=.1,at=5/3", 0.5), 0, rates);
}

TEST_CASE("schedule: cosine, as CosineAnnealingLR") {
  check_rates(parse_schedule("cosine:final=.1", 0.2), 8,
              {0.2, 0.193149157926, 0.173639610307, 0.144441508913, 0.11, 0.0755584910871, 0.0463603896932,
               0.026850842074, 0.02, 0.02, 0.02});
  CHECK(parse_schedule("cosine", 1).at(4, 8) == doctest::Approx(0.5));
}

TEST_CASE("schedule: one cycle, as OneCycleLR") {
  check_rates(parse_schedule("onecycle:max=5e-3", 1), 10,
              {0.0002, 0.0026, 0.005, 0.00475242316007, 0.00405872826975, 0.00305631010968, 0.00194370989032,
               0.000941291730251, 0.000247596839933, 2e-08, 2e-08});
  check_rates(parse_schedule("onecycle:warmup=.25,initial=10,final=100", 2), 16,
              {0.2, 0.65, 1.55, 2, 1.96595990046, 1.86615937838, 1.70739967441, 1.5005, 1.25956022606, 1.001,
               0.742439773943, 0.5015, 0.294600325595, 0.135840621619, 0.0360400995372, 0.002});
  check_rates(parse_schedule("onecycle:warmup=.06", 1), 7,
              {0.980951307996, 0.864354096086, 0.666267026866, 0.430993638533, 0.211154445829,
               0.0559179992781, 4e-06});
  const Schedule in_steps = parse_schedule("onecycle:warmup=4,initial=10,final=100", 2);
  CHECK(in_steps.at(3, 16) == doctest::Approx(2));
}

TEST_CASE("schedule: a warm-up comes before any other") {
  check_rates(parse_schedule("constant:warmup=4", 1), 0, {0.25, 0.5, 0.75, 1, 1, 1});
  check_rates(parse_schedule("constant:warmup=.5", 1), 8, {0.25, 0.5, 0.75, 1, 1, 1});
  check_rates(parse_schedule("exponential:rate=.5,every=1,warmup=2", 8), 0, {4, 8, 8, 4, 2});
  check_rates(parse_schedule("cosine:warmup=2", 1), 6, {0.5, 1, 1, 0.5 + std::sqrt(0.125), 0.5});
}

TEST_CASE("schedule: always finite, never negative, whatever the lengths") {
  for (const char* text : {"constant", "exponential", "step:at=0/1", "cosine", "onecycle"})
    for (const char* warmup : {"0", ".06", ".999", "1", "2", "50"}) {
      std::string full = text;
      full += full.find(':') == full.npos ? ":warmup=" : ",warmup=";
      const Schedule schedule = parse_schedule(full + warmup, 0.1);
      for (const std::int64_t total : {1, 2, 3, 40})
        for (std::int64_t step = 0; step < 60; ++step) {
          CAPTURE(full);
          CAPTURE(total);
          CAPTURE(step);
          const double rate = schedule.at(step, total);
          CHECK(std::isfinite(rate));
          CHECK(rate >= 0);
          CHECK(rate <= 0.1 * (1 + 1e-12));
        }
    }
}

TEST_CASE("schedule: mistakes are named") {
  CHECK_THROWS_WITH_AS(
      parse_schedule("linear", 1),
      "schedule: there is no 'linear'; there are: constant, exponential, step, cosine, onecycle", Error);
  CHECK_THROWS_WITH_AS(parse_schedule("exponential:evry=3", 1),
                       "schedule exponential: no option evry; there are: rate, every, staircase, warmup",
                       Error);
  CHECK_THROWS_WITH_AS(parse_schedule("exponential:rate=2", 1),
                       "schedule exponential: rate is 2, but must lie in 0 to 1", Error);
  CHECK_THROWS_WITH_AS(parse_schedule("cosine:final=x", 1),
                       "schedule cosine: final: 'x' is not a number; write one such as 0.1 or 1e-3", Error);
  CHECK_THROWS_WITH_AS(parse_schedule("cosine:final=.1,final=.2", 1),
                       "schedule: 'cosine:final=.1,final=.2' gives final twice", Error);
  for (const char* text :
       {"", ":", "step", "step:at=", "step:at=-1", "step:at=1.5", "step:at=1//2", "cosine:=1",
        "exponential:staircase=2", "cosine:final=nan", "onecycle:max=inf", "onecycle:initial=0",
        "constant:warmup=-1", "constant:warmup=1e99", "exponential:every=0"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_schedule(text, 1), Error);
  }
  CHECK_THROWS_WITH_AS(
      parse_schedule("cosine", 1).at(0, 0),
      "schedule: cosine needs to know the number of steps in advance; give it, or take another schedule",
      Error);
  CHECK_THROWS_AS(parse_schedule("constant:warmup=.1", 1).at(0, 0), Error);
  CHECK_THROWS_AS(parse_schedule("constant", 1).at(-1, 10), Error);
}

}  // namespace tapeline
