// CTC (Graves et al. 2006, section 4.1) in log space. A path gives each frame one state of
//   blank, label[0], blank, label[1], ..., blank
// starting at one of the first two and ending at one of the last two. From frame to frame it stays, moves to
// the next state, or jumps over a blank that stands between two different labels. p(label) is the sum over
// all paths of the product of what they read at each frame:
//   alpha[t][s]  ln of the sum over the beginnings of paths that are in state s at frame t, frame t included
//   beta[t][s]   ln of the sum over their continuations after frame t
// so that alpha + beta - ln p(label) is the log-probability, given the label, to be in state s at frame t.

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "backends/reference/dispatch.h"
#include "backends/reference/index.h"
#include "backends/reference/kernels.h"
#include "backends/reference/log_sum_exp.h"

namespace tapeline::reference {
namespace {

using Rows = std::vector<std::vector<double>>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNever = -kInfinity;  // ln 0

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNever ? a : a + std::log1p(std::exp(b - a));
}

// -ln p(label). `log_p` holds ln of the probability of each class at each frame and becomes the gradient in
// the logits.
double ctc(Rows& log_p, std::span<const std::int32_t> label, int blank) {
  const std::size_t frames = log_p.size();
  if (frames == 0) return label.empty() ? 0 : kInfinity;

  std::vector<int> classes{blank};  // of each state
  for (const int c : label) classes.insert(classes.end(), {c, blank});
  const std::size_t states = classes.size();
  const auto jumps_to = [&](std::size_t s) {
    return s >= 2 && s < states && classes[s] != blank && classes[s] != classes[s - 2];
  };

  Rows alpha(frames, std::vector<double>(states, kNever)), beta = alpha;
  for (std::size_t s = 0; s < std::min<std::size_t>(states, 2); ++s) {
    alpha.front()[s] = log_p.front()[classes[s]];
    beta.back()[states - 1 - s] = 0;
  }
  for (std::size_t t = 1; t < frames; ++t)
    for (std::size_t s = 0; s < states; ++s) {
      const auto& before = alpha[t - 1];
      double sum = before[s];
      if (s >= 1) sum = log_add(sum, before[s - 1]);
      if (jumps_to(s)) sum = log_add(sum, before[s - 2]);
      alpha[t][s] = sum + log_p[t][classes[s]];
    }
  for (std::size_t t = frames - 1; t-- > 0;)
    for (std::size_t s = 0; s < states; ++s) {
      const auto via = [&](std::size_t next) { return beta[t + 1][next] + log_p[t + 1][classes[next]]; };
      double sum = via(s);
      if (s + 1 < states) sum = log_add(sum, via(s + 1));
      if (jumps_to(s + 2)) sum = log_add(sum, via(s + 2));
      beta[t][s] = sum;
    }

  double log_label = alpha.back()[states - 1];
  if (states > 1) log_label = log_add(log_label, alpha.back()[states - 2]);
  const bool possible = log_label != kNever;
  for (std::size_t t = 0; t < frames; ++t) {
    for (double& value : log_p[t]) value = possible ? std::exp(value) : 0;
    if (possible)
      for (std::size_t s = 0; s < states; ++s)
        log_p[t][classes[s]] -= std::exp(alpha[t][s] + beta[t][s] - log_label);
  }
  return -log_label;
}

}  // namespace

void run(const CtcLoss& k) {
  with_float(k.logits.dtype, [&]<typename T>() {
    const std::int64_t steps = k.logits.shape[1], classes = k.logits.shape[2];
    for (std::int64_t n = 0; n < k.logits.shape[0]; ++n) {
      const T* logits = k.logits.data<T>() + n * steps * classes;
      T* grad = k.grad_logits ? k.grad_logits.data<T>() + n * steps * classes : nullptr;
      if (grad) std::fill_n(grad, steps * classes, T{0});

      const std::span label(k.labels.data<std::int32_t>() + n * k.labels.shape[1],
                            static_cast<std::size_t>(k.label_lengths.data<std::int32_t>()[n]));
      const bool readable = std::all_of(label.begin(), label.end(),
                                        [&](int c) { return c >= 0 && c < classes && c != k.blank; });
      if (!readable) {
        k.loss.data<T>()[n] = kInfinity;
        continue;
      }

      Rows rows(static_cast<std::size_t>(length_of(k.frames, n, steps)));
      for (std::size_t t = 0; t < rows.size(); ++t) {
        rows[t].assign(logits + t * classes, logits + (t + 1) * classes);
        const double total = log_sum_exp(rows[t].data(), classes);
        for (double& value : rows[t]) value -= total;
      }
      k.loss.data<T>()[n] = ctc(rows, label, k.blank);
      if (grad)
        for (const auto& row : rows) grad = std::copy(row.begin(), row.end(), grad);
    }
  });
}

}  // namespace tapeline::reference
