#include "models/recognizer/decode.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tapeline {

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNever ? a : a + std::log1p(std::exp(b - a));
}

/// ln(sum(exp(row)))
double log_sum(std::span<const float> row) {
  const double most = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(x - most);
  return most + std::log(sum);
}

}  // namespace

Decoded decode_best_path(std::span<const float> logits, int classes) {
  Decoded decoded;
  const int frames = static_cast<int>(logits.size()) / classes;
  int before = 0;
  for (int t = 0; t < frames; ++t) {
    const auto row = logits.subspan(static_cast<std::size_t>(t) * classes, static_cast<std::size_t>(classes));
    const auto best = std::max_element(row.begin(), row.end());
    const int label = static_cast<int>(best - row.begin());
    const auto probability = static_cast<float>(std::exp(*best - log_sum(row)));
    if (label != 0 && label == before) {
      decoded.classes.back().last_frame = t;
      decoded.classes.back().confidence += probability;
    } else if (label != 0) {
      decoded.classes.push_back({label, t, t, probability});
    }
    before = label;
  }
  std::vector<int> labels;
  for (DecodedClass& c : decoded.classes) {
    c.confidence /= static_cast<float>(c.last_frame - c.first_frame + 1);
    labels.push_back(c.label);
  }
  decoded.confidence = std::min(1.0, std::exp(log_probability(logits, classes, labels)));
  return decoded;
}

double log_probability(std::span<const float> logits, int classes, std::span<const int> labels) {
  const std::size_t states = 2 * labels.size() + 1;  // blank, first label, blank, ..., last label, blank
  const auto label_of = [&](std::size_t s) { return s % 2 ? labels[s / 2] : 0; };
  std::vector<double> alpha(states, kNever);
  alpha[0] = 0;
  const std::size_t frames = logits.size() / static_cast<std::size_t>(classes);
  for (std::size_t t = 0; t < frames; ++t) {
    const auto row = logits.subspan(t * classes, static_cast<std::size_t>(classes));
    const double normaliser = log_sum(row);
    for (std::size_t s = states; s-- > 0;) {
      double arriving = alpha[s];
      if (s > 0) arriving = log_add(arriving, alpha[s - 1]);
      if (s > 1 && s % 2 && label_of(s) != label_of(s - 2)) arriving = log_add(arriving, alpha[s - 2]);
      alpha[s] = arriving + row[static_cast<std::size_t>(label_of(s))] - normaliser;
    }
  }
  if (states == 1) return alpha[0];
  return frames == 0 ? kNever : log_add(alpha[states - 1], alpha[states - 2]);
}

}  // namespace tapeline
