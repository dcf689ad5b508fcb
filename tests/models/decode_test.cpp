#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <vector>

#include "engine/random.h"
#include "models/recognizer/decode.h"

namespace tapeline {

namespace {

/// Probability of every label sequence, by going through all paths.
std::map<std::vector<int>, double> all_sequences(const std::vector<float>& logits, int classes) {
  const int frames = static_cast<int>(logits.size()) / classes;
  std::map<std::vector<int>, double> total;
  int paths = 1;
  for (int t = 0; t < frames; ++t) paths *= classes;
  for (int path = 0; path < paths; ++path) {
    double probability = 1;
    std::vector<int> sequence;
    int rest = path, before = 0;
    for (int t = 0; t < frames; ++t, rest /= classes) {
      const int c = rest % classes;
      double sum = 0;
      for (int k = 0; k < classes; ++k) sum += std::exp(double{logits[t * classes + k]});
      probability *= std::exp(double{logits[t * classes + c]}) / sum;
      if (c != 0 && c != before) sequence.push_back(c);
      before = c;
    }
    total[sequence] += probability;
  }
  return total;
}

}  // namespace

TEST_CASE("decode: the probability of a text is the sum over all its paths") {
  constexpr int kClasses = 3;
  Random random(5);
  for (int frames = 1; frames <= 6; ++frames) {
    std::vector<float> logits(static_cast<std::size_t>(frames * kClasses));
    for (float& x : logits) x = 2 * random.normal();
    double sum = 0;
    for (const auto& [sequence, probability] : all_sequences(logits, kClasses)) {
      CHECK(std::exp(log_probability(logits, kClasses, sequence)) ==
            doctest::Approx(probability).epsilon(1e-9));
      sum += probability;
    }
    CHECK(sum == doctest::Approx(1));
  }
}

TEST_CASE("decode: what cannot be aligned has no probability") {
  const std::vector<float> logits(2 * 3, 0.0f);
  CHECK(log_probability(logits, 3, std::vector<int>{1, 1}) == -INFINITY);
  CHECK(log_probability(logits, 3, std::vector<int>{1, 2, 1}) == -INFINITY);
  CHECK(log_probability({}, 3, std::vector<int>{1}) == -INFINITY);
  CHECK(log_probability({}, 3, {}) == 0);
}

TEST_CASE("decode: best path, with spans and confidences") {
  const std::vector<int> path{0, 1, 1, 0, 1, 2, 2, 2, 0};
  std::vector<float> logits(path.size() * 3, 0.0f);
  for (std::size_t t = 0; t < path.size(); ++t) logits[t * 3 + static_cast<std::size_t>(path[t])] = 10;
  const Decoded decoded = decode_best_path(logits, 3);
  REQUIRE(decoded.classes.size() == 3);
  CHECK((decoded.classes[0].label == 1 && decoded.classes[0].first_frame == 1 &&
         decoded.classes[0].last_frame == 2));
  CHECK((decoded.classes[1].label == 1 && decoded.classes[1].first_frame == 4 &&
         decoded.classes[1].last_frame == 4));
  CHECK((decoded.classes[2].label == 2 && decoded.classes[2].first_frame == 5 &&
         decoded.classes[2].last_frame == 7));
  CHECK(decoded.classes[0].confidence == doctest::Approx(std::exp(10) / (std::exp(10) + 2)));
  CHECK(decoded.confidence > 0.999);
  CHECK(decoded.confidence <= 1);
}

TEST_CASE("decode: nothing read is read with the probability of nothing") {
  CHECK(decode_best_path({}, 4).classes.empty());
  CHECK(decode_best_path({}, 4).confidence == 1);
  const Decoded blank = decode_best_path(std::vector<float>{1, 0, 1, 0}, 2);
  CHECK(blank.classes.empty());
  const double p = std::exp(1) / (std::exp(1) + 1);
  CHECK(blank.confidence == doctest::Approx(p * p));
}

}  // namespace tapeline
