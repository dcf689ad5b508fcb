// CTC in log space, a block for each image; see the reference for what alpha and beta are. Where it differs:
// the largest of a row is taken out of the row after it, and summed up in double for the loss, so that no
// long logarithms lose their last digits; posteriors are put in proportion by their own sum at each frame, in
// which these factors cancel. ln 0 is kNever, a number, so that no infinity meets another.
//
// The rows of alpha follow from each other, and so do those of beta, but neither needs the other: one warp
// goes forward and one backward at the same time. The frames of the gradient are independent, and all warps
// share them. A class that occurs several times in a label has its posteriors added up by one lane, in order:
// the same bits each time.

#include <cmath>

#include "backends/cuda/dispatch.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/log_sum_exp.h"
#include "backends/cuda/pixels.h"

namespace tapeline::cuda {
namespace {

constexpr int kBlock = 128, kWarps = kBlock / 32;

template <typename T>
struct Problem {
  const T* logits;
  const std::int32_t *labels, *label_lengths, *frames;
  T *loss, *grad;
  int steps, classes, longest, blank;
  // What is kept in between: [N][T][2 longest + 1] twice, [N][T], [N][longest].
  T *alpha, *beta;
  LogSum<T>* log_sums;
  std::int32_t* next_same;
};

template <typename T>
struct Label {
  static constexpr T kNever = T(-1e30), kPossible = T(-1e29);  // possible: all that is above

  const std::int32_t* classes;
  int states, blank;

  __device__ int class_of(int state) const { return state % 2 ? classes[state / 2] : blank; }
  /// Whether a path may jump from state - 2 to this state.
  __device__ bool jumps_to(int state) const {
    return state % 2 && state >= 3 && state < states && classes[state / 2] != classes[state / 2 - 1];
  }
  __device__ static T log_add(T a, T b, T c) {
    const T most = a > b ? (a > c ? a : c) : (b > c ? b : c);
    if (most <= kPossible) return isnan(a + b + c) ? a + b + c : kNever;
    return most + log(exp(a - most) + exp(b - most) + exp(c - most));
  }
  __device__ static T at_least_never(T x) { return x < kNever ? kNever : x; }
};

// Fills rows[t][state] for all frames, from the first to the last or the other way round, and returns the sum
// of what was taken out of all rows but the last one made. `advance(row before, t, state)` gives an element,
// kNever or more.
template <typename T, typename First, typename Advance>
__device__ double fill_rows(T* rows, int stride, int frames, int states, bool backward, First first,
                            Advance advance) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  double taken = 0;
  T largest = 0;
  const T* before = nullptr;
  for (int step = 0; step < frames; ++step) {
    const int t = backward ? frames - 1 - step : step;
    T* row = rows + static_cast<std::int64_t>(t) * stride;
    T most = Label<T>::kNever;
    for (int s = lane; s < states; s += 32) {
      const T value = Label<T>::at_least_never(before ? advance(before, t, s) - largest : first(s));
      row[s] = value;
      most = value > most ? value : most;
    }
    if (before) taken += largest;
    most = warp_max(most);
    largest = most > Label<T>::kPossible ? most : T(0);
    before = row;
    __syncwarp();
  }
  return taken;
}

template <typename T>
__global__ void ctc(Problem<T> p) {
  __shared__ double shared_loss;
  const int n = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32, warp = thread / 32;
  const int frames = length_of(p.frames, n, p.steps), length = length_of(p.label_lengths, n, p.longest);
  const int stride = 2 * p.longest + 1;
  const std::int64_t first_frame = static_cast<std::int64_t>(n) * p.steps;
  const T* logits = p.logits + first_frame * p.classes;
  T* grad = p.grad ? p.grad + first_frame * p.classes : nullptr;
  T *alpha = p.alpha + first_frame * stride, *beta = p.beta + first_frame * stride;
  LogSum<T>* log_sums = p.log_sums + first_frame;
  std::int32_t* next_same = p.next_same + static_cast<std::int64_t>(n) * p.longest;
  const Label<T> label{p.labels + static_cast<std::int64_t>(n) * p.longest, 2 * length + 1, p.blank};

  bool readable = true;
  for (int i = thread; i < length; i += kBlock) {
    const int c = label.classes[i];
    readable = readable && c >= 0 && c < p.classes && c != p.blank;
    int next = i + 1;
    while (next < length && label.classes[next] != c) ++next;
    next_same[i] = next;
  }
  readable = __syncthreads_and(readable);

  if (readable)
    for (int t = warp; t < frames; t += kWarps) {
      const LogSum<T> sum = log_sum_exp(logits + static_cast<std::int64_t>(t) * p.classes, p.classes);
      if (lane == 0) log_sums[t] = sum;
    }
  __syncthreads();

  const auto log_p = [&](int t, int state) {
    return log_sums[t].from(logits[static_cast<std::int64_t>(t) * p.classes + label.class_of(state)]);
  };
  if (warp == 0) {
    double loss = length == 0 && frames == 0 ? 0 : INFINITY;
    if (!readable) loss = INFINITY;
    if (readable && frames > 0) {
      const double taken = fill_rows(
          alpha, stride, frames, label.states, false,
          [&](int s) { return s < 2 ? log_p(0, s) : Label<T>::kNever; },
          [&](const T* before, int t, int s) {
            const T sum = label.log_add(before[s], s >= 1 ? before[s - 1] : Label<T>::kNever,
                                        label.jumps_to(s) ? before[s - 2] : Label<T>::kNever);
            return sum + log_p(t, s);
          });
      const T* last = alpha + static_cast<std::int64_t>(frames - 1) * stride;
      const T sum =
          label.log_add(last[label.states - 1], label.states > 1 ? last[label.states - 2] : Label<T>::kNever,
                        Label<T>::kNever);
      if (!(sum <= Label<T>::kPossible)) loss = -(static_cast<double>(sum) + taken);
    }
    if (lane == 0) {
      p.loss[n] = static_cast<T>(loss);
      shared_loss = loss;
    }
  } else if (warp == 1 && grad && readable && frames > 0) {
    fill_rows(
        beta, stride, frames, label.states, true,
        [&](int s) { return s >= label.states - 2 ? T(0) : Label<T>::kNever; },
        [&](const T* after, int t, int s) {
          const auto via = [&](int next) {
            return Label<T>::at_least_never(after[next] + log_p(t + 1, next));
          };
          return label.log_add(via(s), s + 1 < label.states ? via(s + 1) : Label<T>::kNever,
                               label.jumps_to(s + 2) ? via(s + 2) : Label<T>::kNever);
        });
  }
  if (!grad) return;  // the whole grid alike
  __syncthreads();

  const bool possible = shared_loss < static_cast<double>(INFINITY) || isnan(shared_loss);
  for (int t = warp; t < p.steps; t += kWarps) {
    T* grad_row = grad + static_cast<std::int64_t>(t) * p.classes;
    if (!possible || t >= frames) {
      for (int c = lane; c < p.classes; c += 32) grad_row[c] = 0;
      continue;
    }
    T *posterior = alpha + static_cast<std::int64_t>(t) * stride, most = Label<T>::kNever;
    const T* after = beta + static_cast<std::int64_t>(t) * stride;
    for (int s = lane; s < label.states; s += 32)
      most = posterior[s] + after[s] > most ? posterior[s] + after[s] : most;
    most = warp_max(most);
    T all = 0, blanks = 0;
    for (int s = lane; s < label.states; s += 32) {
      const T value = exp(posterior[s] + after[s] - most);
      posterior[s] = value;
      all += value;
      if (s % 2 == 0) blanks += value;
    }
    all = warp_sum(all);
    blanks = warp_sum(blanks);
    const T* logit_row = logits + static_cast<std::int64_t>(t) * p.classes;
    for (int c = lane; c < p.classes; c += 32)
      grad_row[c] = exp(log_sums[t].from(logit_row[c])) - (c == p.blank ? blanks / all : T(0));
    __syncwarp();
    for (int i = lane; i < length; i += 32) {
      bool first = true;
      for (int before = 0; before < i && first; ++before) first = next_same[before] != i;
      if (!first) continue;
      T sum = 0;
      for (int same = i; same < length; same = next_same[same]) sum += posterior[2 * same + 1];
      grad_row[label.classes[i]] -= sum / all;
    }
  }
}

}  // namespace

void run(const CtcLoss& k, Context& context) {
  const std::int64_t batch = k.logits.shape[0], steps = k.logits.shape[1], longest = k.labels.shape[1];
  if (batch == 0) return;
  with_float(k.logits.dtype, [&]<typename T>() {
    Problem<T> p;
    p.logits = k.logits.data<T>();
    p.labels = k.labels.data<std::int32_t>(), p.label_lengths = k.label_lengths.data<std::int32_t>();
    p.frames = data_or_null<std::int32_t>(k.frames);
    p.loss = k.loss.data<T>(), p.grad = data_or_null<T>(k.grad_logits);
    p.steps = static_cast<int>(steps), p.classes = static_cast<int>(k.logits.shape[2]);
    p.longest = static_cast<int>(longest), p.blank = k.blank;
    p.alpha = context.scratch<T>(batch * steps * (2 * longest + 1));
    p.beta = context.scratch<T>(batch * steps * (2 * longest + 1));
    p.log_sums = context.scratch<LogSum<T>>(batch * steps);
    p.next_same = context.scratch<std::int32_t>(batch * longest);
    launch(context, ctc<T>, static_cast<unsigned>(batch), kBlock, 0, p);
  });
}

}  // namespace tapeline::cuda
