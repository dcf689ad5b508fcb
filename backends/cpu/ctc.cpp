// CTC in log space, vectors along the states; see the reference for what alpha and beta are.
//
// Where it differs: floats lose what matters once logarithms grow long, so the largest alpha (beta) of the
// frame before is taken from each frame and, for the loss, summed up in double; posteriors are put in
// proportion by their own sum at each frame, in which these factors cancel. ln 0 is kNever, a number: no
// infinity meets another, so no NaN arises. The two recursions have nothing to do with each other and run
// side by side.
//
// States are padded to whole vectors, with one more vector before the first and after the last.

#include <algorithm>
#include <optional>
#include <utility>

#include "backends/cpu/across_lanes.h"
#include "backends/cpu/lanes.h"
#include "backends/cpu/log_sum_exp.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();
constexpr float kNever = -1e30f;
constexpr float kPossible = -1e29f;  // all that is above
constexpr std::int64_t kMargin = kWidth;

/// e^x for x <= 0, and about 1e-38 for what is less than that.
TAPELINE_INLINE Vec exp_down(Vec x) {
  x = max(x, -87.0f);
  constexpr float kRound = 12582912.0f;  // as in exp of simd.h
  const Vec shifted = fma(x, 1.44269504088896341f, kRound);
  const Vec whole = shifted - kRound;
  const Vec r = fma(whole, 2.12194440e-4f, fma(whole, -0.693359375f, x));
  Vec p = fma(1.9875691500e-4f, r, 1.3981999507e-3f);
  p = fma(p, r, 8.3334519073e-3f);
  p = fma(p, r, 4.1665795894e-2f);
  p = fma(p, r, 1.6666665459e-1f);
  p = fma(p, r, 5.0000001201e-1f);
  p = fma(p, r * r, r) + 1.0f;
  return p * from_bits((bits(shifted) - bits(Vec(kRound)) + 127) << 23);
}

/// ln x for x in [1, 3]: ln c + 2 artanh((x - c) / (x + c)) with c = sqrt(3), as a series.
TAPELINE_INLINE Vec log_up_to_three(Vec x) {
  constexpr float kRoot = 1.7320508075688772f, kLogRoot = 0.5493061443340549f;
  const Vec z = (x - kRoot) / (x + kRoot), z2 = z * z;
  Vec p = fma(2.0f / 11, z2, 2.0f / 9);
  p = fma(p, z2, 2.0f / 7);
  p = fma(p, z2, 2.0f / 5);
  p = fma(p, z2, 2.0f / 3);
  p = fma(p, z2, 2.0f);
  return fma(p, z, kLogRoot);
}

/// ln(e^a + e^b + e^c): the largest is taken out, which leaves two exponentials.
TAPELINE_INLINE Vec log_add(Vec a, Vec b, Vec c) {
  const Vec high = max(a, b), low = min(a, b);
  const Vec first = max(high, c), rest = min(high, c);
  return first + log_up_to_three(exp_down(rest - first) + exp_down(low - first) + 1.0f);
}

/// kWidth lanes of a and b laid end to end, from lane kFirst.
template <int kFirst, int... i>
TAPELINE_INLINE Vec from_lane(Vec a, Vec b, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a.v, b.v, (kFirst + i)...);
}
template <int kFirst>
TAPELINE_INLINE Vec from_lane(Vec a, Vec b) {
  return from_lane<kFirst>(a, b, std::make_integer_sequence<int, kWidth>{});
}

TAPELINE_INLINE void fill(float* to, std::int64_t count, float value) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = value;
}

TAPELINE_INLINE float largest(const float* x, std::int64_t padded) {
  Vec top(kNever);
  for (std::int64_t i = 0; i < padded; i += kWidth) top = max(load(x + i), top);
  return largest_lane(top);
}

struct Label {
  const std::int32_t* classes;
  std::int64_t length;

  std::int64_t states() const { return 2 * length + 1; }
  bool readable(std::int64_t class_count, int blank) const {
    for (std::int64_t i = 0; i < length; ++i)
      if (classes[i] < 0 || classes[i] >= class_count || classes[i] == blank) return false;
    return true;
  }
  std::int64_t frames_needed() const {
    std::int64_t needed = length;
    for (std::int64_t i = 1; i < length; ++i) needed += classes[i] == classes[i - 1];
    return needed;
  }
};

/// The working memory of one image.
struct Lattice {
  std::int64_t frames, states, padded, stride;
  float *skip, *next, *emission, *alpha, *beta;  // the last three: [frames][stride]
  float *largest, *sum, *log_sum;                // of each frame's logits: see read_frames

  static std::int64_t whole_vectors(std::int64_t floats) { return (floats + kWidth - 1) / kWidth * kWidth; }
  static std::int64_t floats(std::int64_t frames, std::int64_t states) {
    return (3 * frames + 2) * (whole_vectors(states) + 2 * kMargin) + whole_vectors(3 * frames);
  }
  Lattice(float* memory, std::int64_t frame_count, std::int64_t state_count)
      : frames(frame_count),
        states(state_count),
        padded(whole_vectors(state_count)),
        stride(padded + 2 * kMargin),
        skip(memory + kMargin),
        next(skip + stride),
        emission(next + stride),
        alpha(emission + frames * stride),
        beta(alpha + frames * stride),
        largest(skip - kMargin + (3 * frames + 2) * stride),
        sum(largest + frames),
        log_sum(sum + frames) {
    fill(skip - kMargin, (3 * frames + 2) * stride, kNever);
  }
};

/// ln of the probability of each state's class at each frame, and, where wanted, the softmax, the first part
/// of the gradient. False where a logit is NaN, or all of a frame's are infinite. In three loops, so that the
/// logarithms are taken a vector of frames at a time, and no frame waits for another.
bool read_frames(const float* logits, std::int64_t classes, const Label& label, int blank,
                 const Lattice& lattice, float* grad) {
  for (std::int64_t t = 0; t < lattice.frames; ++t) {
    const float* x = logits + t * classes;
    float* terms = grad ? grad + t * classes : nullptr;
    const auto [largest, sum] = sum_exp(
        x, classes, terms, [](Vec a) __attribute__((always_inline)) { return exp_down(a); });
    lattice.largest[t] = largest;
    lattice.sum[t] = sum;
  }
  for_vectors(
      0, lattice.frames, [&](std::int64_t t, auto lanes) __attribute__((always_inline)) {
        store(lattice.log_sum + t, log(load(lattice.sum + t, lanes, 1.0f)), lanes);
      });

  bool numbers = true;
  for (std::int64_t t = 0; t < lattice.frames; ++t, logits += classes) {
    const float largest = lattice.largest[t], log_sum = lattice.log_sum[t];
    numbers = numbers && log_sum == log_sum;
    if (grad) {
      float* softmax = grad + t * classes;
      const Vec share(1 / lattice.sum[t]);
      for_vectors(
          0, classes, [=](std::int64_t c, auto lanes) __attribute__((always_inline)) {
            store(softmax + c, load(softmax + c, lanes) * share, lanes);
          });
    }
    float* emission = lattice.emission + t * lattice.stride;
    const auto log_p = [=](std::int64_t c) {
      const float value = logits[c] - largest - log_sum;
      return value < kNever ? kNever : value;
    };
    const float log_blank = log_p(blank);
    emission[0] = log_blank;
    for (std::int64_t i = 0; i < label.length; ++i) {
      emission[2 * i + 1] = log_p(label.classes[i]);
      emission[2 * i + 2] = log_blank;
    }
  }
  return numbers;
}

/// alpha at this frame, from that before.
TAPELINE_INLINE void step_alpha(const Lattice& lattice, std::int64_t t, float scale) {
  const float* before = lattice.alpha + (t - 1) * lattice.stride;
  const float* emission = lattice.emission + t * lattice.stride;
  float* to = lattice.alpha + t * lattice.stride;
  for (std::int64_t s = 0; s < lattice.padded; s += kWidth) {
    const Vec left = load(before + s - kWidth), here = load(before + s);
    const Vec sum = log_add(here, from_lane<kWidth - 1>(left, here),
                            from_lane<kWidth - 2>(left, here) + load(lattice.skip + s));
    store(to + s, max(sum + (load(emission + s) - scale), kNever));
  }
}

/// beta at this frame, from that after.
TAPELINE_INLINE void step_beta(const Lattice& lattice, std::int64_t t, float scale) {
  const float* after = lattice.beta + (t + 1) * lattice.stride;
  const float* emission = lattice.emission + (t + 1) * lattice.stride;
  float* to = lattice.beta + t * lattice.stride;
  float* next = lattice.next;
  for (std::int64_t s = 0; s < lattice.padded; s += kWidth)
    store(next + s, max(load(after + s) + (load(emission + s) - scale), kNever));
  for (std::int64_t s = 0; s < lattice.padded; s += kWidth) {
    const Vec here = load(next + s), right = load(next + s + kWidth);
    const Vec sum =
        log_add(here, from_lane<1>(here, right), from_lane<2>(here, right) + load(lattice.skip + s + 2));
    store(to + s, sum);
  }
}

/// Takes the posterior of each class at each frame from the gradient.
void subtract_posteriors(const Lattice& lattice, std::int64_t classes, const Label& label, int blank,
                         float* grad) {
  float* posterior = lattice.next;
  for (std::int64_t t = 0; t < lattice.frames; ++t, grad += classes) {
    const float* alpha = lattice.alpha + t * lattice.stride;
    const float* beta = lattice.beta + t * lattice.stride;
    for (std::int64_t s = 0; s < lattice.padded; s += kWidth)
      store(posterior + s, load(alpha + s) + load(beta + s));
    const Vec top(largest(posterior, lattice.padded));
    Vec sums;
    for (std::int64_t s = 0; s < lattice.padded; s += kWidth) {
      const Vec p = exp_down(load(posterior + s) - top);
      store(posterior + s, p);
      sums += p;
    }
    const float share = 1 / sum_of_lanes(sums);
    float blanks = posterior[0];
    for (std::int64_t i = 0; i < label.length; ++i) {
      grad[label.classes[i]] -= posterior[2 * i + 1] * share;
      blanks += posterior[2 * i + 2];
    }
    grad[blank] -= blanks * share;
  }
}

/// An image on its way through both recursions: begin(), step(1) .. step(frames - 1), end().
struct Walk {
  Lattice lattice;
  Label label;
  std::int64_t classes;
  int blank;
  float* grad;  // optional; written up to `frames`
  float* loss;
  bool numbers = true;
  double scales = 0;
  float alpha_scale = 0, beta_scale = 0;

  void begin(const float* logits) {
    numbers = read_frames(logits, classes, label, blank, lattice, grad);
    for (std::int64_t i = 1; i < label.length; ++i)
      if (label.classes[i] != label.classes[i - 1]) lattice.skip[2 * i + 1] = 0;
    const std::int64_t states = lattice.states;
    float* last_beta = lattice.beta + (lattice.frames - 1) * lattice.stride;
    for (std::int64_t s = 0; s < std::min<std::int64_t>(states, 2); ++s) {
      lattice.alpha[s] = lattice.emission[s];
      last_beta[states - 1 - s] = 0;
    }
    alpha_scale = largest(lattice.alpha, lattice.padded);
  }

  TAPELINE_INLINE void step(std::int64_t t) {
    step_alpha(lattice, t, alpha_scale);
    scales += static_cast<double>(alpha_scale);
    alpha_scale = largest(lattice.alpha + t * lattice.stride, lattice.padded);
    if (!grad) return;
    const std::int64_t back = lattice.frames - 1 - t;
    step_beta(lattice, back, beta_scale);
    beta_scale = largest(lattice.beta + back * lattice.stride, lattice.padded);
  }

  void end() {
    const float* last = lattice.alpha + (lattice.frames - 1) * lattice.stride + lattice.states;
    const Vec ends = log_add(last[-1], lattice.states > 1 ? last[-2] : kNever, kNever);
    const double log_label = scales + static_cast<double>(ends[0]);
    if (!numbers)
      *loss = __builtin_nanf("");
    else if (log_label < static_cast<double>(kPossible))
      *loss = kInfinity;
    else {
      if (grad) subtract_posteriors(lattice, classes, label, blank, grad);
      *loss = static_cast<float>(-log_label);
    }
  }
};

/// Images that walk side by side: a step waits for the one before, not for those of other images.
constexpr int kTogether = 3;

}  // namespace

void run(const CtcLoss& k, Context& context) {
  if (k.logits.dtype != DType::f32) return reference::run(k);
  const std::int64_t steps = k.logits.shape[1], classes = k.logits.shape[2], size = steps * classes;
  const std::int64_t longest = k.labels.shape[1];
  const auto* labels = k.labels.data<std::int32_t>();
  const auto* lengths = k.label_lengths.data<std::int32_t>();
  const auto* own_frames = data_or_null<std::int32_t>(k.frames);
  float* losses = k.loss.data<float>();
  float* grads = data_or_null<float>(k.grad_logits);

  context.pool.parallel_for(k.logits.shape[0], kTogether, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t floats = Lattice::floats(steps, 2 * longest + 1);
    float* memory = context.scratch.local_floats(2, kTogether * floats);
    std::optional<Walk> walks[kTogether];
    std::int64_t last = 0;
    for (std::int64_t n = begin; n < end; ++n) {
      const Label label{labels + n * longest, lengths[n]};
      const std::int64_t frames = length_of(own_frames, n, steps);
      float* grad = grads ? grads + n * size : nullptr;
      const bool possible = label.readable(classes, k.blank) && label.frames_needed() <= frames;
      losses[n] = possible ? 0 : kInfinity;
      if (!possible || frames == 0) continue;
      last = std::max(last, frames);
      walks[n - begin].emplace(Walk{Lattice(memory + (n - begin) * floats, frames, label.states()), label,
                                    classes, k.blank, grad, losses + n});
      walks[n - begin]->begin(k.logits.data<float>() + n * size);
    }
    for (std::int64_t t = 1; t < last; ++t)
      for (auto& walk : walks)
        if (walk && t < walk->lattice.frames) walk->step(t);
    for (auto& walk : walks)
      if (walk) walk->end();
    for (std::int64_t n = begin; n < end && grads; ++n) {
      const std::int64_t frames = losses[n] == kInfinity ? 0 : length_of(own_frames, n, steps);
      fill(grads + n * size + frames * classes, size - frames * classes, 0);
    }
  });
}

}  // namespace tapeline::cpu::TAPELINE_ISA
