// A task takes one direction of a few sequences through all their time steps, so threads never wait for each
// other: each step is a small matrix product, h[before] w_hh, and a pass over its gates. A sequence drops out
// at its own last frame. Back, grad_w_hh is one large matrix product after the loop.
//
// All operands are [N, T, D, ...]: time step t of sequence n and direction d is row (n T + t) D + d of each.

#include "backends/cpu/gemm.h"
#include "backends/cpu/kept_copy.h"
#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

/// Sequences in a task: the rows of a tile.
constexpr std::int64_t kSequences = kTileRows;

struct Recurrence {
  LstmGeometry size;
  const std::int32_t* frames;

  std::int64_t blocks() const { return ceil_div(size.batch, kSequences); }
  std::int64_t tasks() const { return blocks() * size.directions; }
  bool reversed(std::int64_t d) const { return size.directions == 2 ? d == 1 : size.reverse; }
  std::int64_t row(std::int64_t n, std::int64_t t, std::int64_t d) const {
    return (n * size.steps + t) * size.directions + d;
  }
};

/// The sequences of one task, and those of them that have a certain step.
class Sequences {
 public:
  Sequences(const Recurrence& recurrence, std::int64_t task)
      : direction(task % recurrence.size.directions), recurrence_(recurrence) {
    const std::int64_t block = task / recurrence.size.directions, batch = recurrence.size.batch;
    first_ = batch * block / recurrence.blocks();
    count_ = batch * (block + 1) / recurrence.blocks() - first_;
    for (std::int64_t i = 0; i < count_; ++i) {
      frames_[i] = length_of(recurrence.frames, first_ + i, recurrence.size.steps);
      steps = larger(steps, frames_[i]);
    }
  }

  /// Finds those that have this step: `active`, and for each its place, its row, and the row before.
  void select(std::int64_t step) {
    const bool reversed = recurrence_.reversed(direction);
    active = 0;
    for (std::int64_t i = 0; i < count_; ++i) {
      if (step >= frames_[i]) continue;
      place[active] = i;
      row[active] = recurrence_.row(first_ + i, reversed ? frames_[i] - 1 - step : step, direction);
      before[active] = row[active] + (reversed ? recurrence_.size.directions : -recurrence_.size.directions);
      ++active;
    }
  }

  /// Calls body(row) for every row past the end of its sequence.
  template <typename Body>
  void for_rest(Body body) const {
    for (std::int64_t i = 0; i < count_; ++i)
      for (std::int64_t t = frames_[i]; t < recurrence_.size.steps; ++t)
        body(recurrence_.row(first_ + i, t, direction));
  }

  const std::int64_t direction;
  std::int64_t steps = 0;
  std::int64_t active = 0, place[kSequences], row[kSequences], before[kSequences];

 private:
  const Recurrence& recurrence_;
  std::int64_t first_, count_, frames_[kSequences];
};

/// Rows that leave a tile of 32 columns waiting for its own sums: several panels at a time keep the processor
/// busy.
constexpr std::int64_t kFewRows = 2;
constexpr int kPanelsAtOnce = 4;

/// The kRows x (kPanelsAtOnce panels) part of a product at these panels, each element by the same chain of
/// multiply-adds as in multiply_block.
template <int kRows>
[[gnu::noinline]] void wide_tile(std::int64_t words, const float* a, const float* panels,
                                 std::int64_t panel_stride, float* const* c, std::int64_t column, bool add) {
  Vec sums[kRows][2 * kPanelsAtOnce];
  for (std::int64_t k = 0; k < words; ++k)
#pragma GCC unroll 4
    for (int p = 0; p < kPanelsAtOnce; ++p) {
      const float* b = panels + p * panel_stride + k * kTileColumns;
      const Vec low = load(b), high = load(b + kWidth);
#pragma GCC unroll 2
      for (int i = 0; i < kRows; ++i) {
        const Vec ai = broadcast(a + i * kRowStride + k);
        sums[i][2 * p] = multiply_add(ai, low, sums[i][2 * p]);
        sums[i][2 * p + 1] = multiply_add(ai, high, sums[i][2 * p + 1]);
      }
    }
#pragma GCC unroll 2
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
    for (int v = 0; v < 2 * kPanelsAtOnce; ++v) {
      float* to = c[i] + column + v * kWidth;
      store(to, add ? sums[i][v] + load(to) : sums[i][v]);
    }
}

/// One matrix for each direction, packed for multiply_block.
struct PackedWeights {
  const float* panels;
  std::int64_t inner, columns;

  std::int64_t words() const { return words_of(inner); }
  std::int64_t size() const { return round_up(columns, kTileColumns) * words(); }

  /// c[i] = rows[i] times the matrix of this direction. From one step to the next few rows go the other way
  /// through the matrix: what the second cache holds of it is then its beginning.
  void multiply(std::int64_t direction, std::int64_t step, const float* const* rows, float* const* c,
                std::int64_t count, float* a) const {
    for (std::int64_t k = 0; k < words(); k += kBlockInner) {
      const std::int64_t depth = smaller(kBlockInner, words() - k);
      const std::int64_t factors = smaller(kPair * depth, inner - kPair * k);
      for (std::int64_t i = 0; i < count; ++i) copy_words(a + i * kRowStride, rows[i] + kPair * k, factors);
      const float* block = panels + direction * size() + k * kTileColumns;
      const std::int64_t panel_stride = words() * kTileColumns, wide = kPanelsAtOnce * kTileColumns;
      const std::int64_t parts = count > 0 && count <= kFewRows ? columns / wide : 0, column = parts * wide;
      for (std::int64_t part = 0; part < parts; ++part) {
        const std::int64_t from = (step % 2 ? parts - 1 - part : part) * wide;
        const auto tile = count == 1 ? wide_tile<1> : wide_tile<2>;
        tile(depth, a, block + from * words(), panel_stride, c, from, k > 0);
      }
      multiply_block<Layout::by_rows>(count, columns - column, static_cast<int>(depth), a, kRowStride,
                                      block + column * words(), kTileColumns, panel_stride, c, column,
                                      {nullptr, k > 0});
    }
  }
};

/// Memory for the `a` of PackedWeights::multiply.
constexpr std::int64_t kRowsOfA = (kTileRows + 1) * kRowStride;

/// Pack is PackB, or PackTransposedB for the transposed matrices. They are kept as long as w_hh does not
/// change.
template <typename Pack>
PackedWeights pack_weights(const View& weights, Form form, std::int64_t directions, std::int64_t inner,
                           std::int64_t columns, std::int64_t stride, Context& context) {
  PackedWeights packed{nullptr, inner, columns};
  const std::int64_t floats = directions * packed.size() + kTileColumns;
  const KeptCopy kept = kept_copy(weights, form_number(form, directions), inner, columns, floats);
  packed.panels = kept.data;
  if (kept.filled) return packed;
  float* to = kept.data ? kept.data : context.scratch.shared_floats(2, floats);
  packed.panels = to;
  const float* w_hh = weights.data<float>();
  const std::int64_t panels = ceil_div(columns, kTileColumns);
  context.pool.parallel_for(directions * panels, 1, [=](std::int64_t task, std::int64_t) {
    const std::int64_t column = task % panels * kTileColumns;
    const Pack pack{w_hh + task / panels * inner * columns, stride};
    pack_words(pack, to + task * packed.words() * kTileColumns, 0, inner, column,
               smaller(kTileColumns, columns - column));
  });
  return packed;
}

/// The hidden state before each row, as the transposed left operand of grad_w_hh = h[before]^T grad_gates.
struct PackStatesBefore {
  static constexpr Layout kLayout = Layout::by_columns;
  const float* output;
  Recurrence recurrence;
  std::int64_t direction;

  void operator()(float* to, std::int64_t lda, std::int64_t unit, std::int64_t units, std::int64_t k,
                  std::int64_t inner) const {
    const LstmGeometry& size = recurrence.size;
    const bool reversed = recurrence.reversed(direction);
    for (std::int64_t i = 0; i < inner; ++i, to += lda) {
      const std::int64_t n = (k + i) / size.steps, t = (k + i) % size.steps;
      const std::int64_t before = reversed ? t + 1 : t - 1;
      if (before < 0 || before == size.steps)
        zero_floats(to, units);
      else
        copy_floats(to, output + recurrence.row(n, before, direction) * size.hidden + unit, units);
    }
  }
};

}  // namespace

void run(const LstmForward& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const Recurrence recurrence{k.geometry, data_or_null<std::int32_t>(k.frames)};
  const std::int64_t hidden = k.geometry.hidden, wide = 4 * hidden;
  const float* gates_in = k.gates_in.data<float>();
  float* output = k.output.data<float>();
  float* gates_out = data_or_null<float>(k.gates);
  float* cells_out = data_or_null<float>(k.cells);
  const PackedWeights weights =
      pack_weights<PackB>(k.w_hh, Form::lstm, k.geometry.directions, hidden, wide, wide, context);

  context.pool.parallel_for(recurrence.tasks(), 1, [&](std::int64_t task, std::int64_t) {
    Sequences sequences(recurrence, task);
    float* a = context.scratch.local_floats(2, kRowsOfA + kSequences * (wide + hidden));
    float* recurrent = a + kRowsOfA;  // h[before] w_hh
    float* cells = recurrent + kSequences * wide;
    zero_floats(cells, kSequences * hidden);
    zero_floats(recurrent, kSequences * wide);  // no state before the first step

    for (std::int64_t step = 0; step < sequences.steps; ++step) {
      sequences.select(step);
      if (step > 0) {
        const float* states[kSequences];
        float* products[kSequences];
        for (std::int64_t i = 0; i < sequences.active; ++i) {
          states[i] = output + sequences.before[i] * hidden;
          products[i] = recurrent + i * wide;
        }
        weights.multiply(sequences.direction, step, states, products, sequences.active, a);
      }
      for (std::int64_t i = 0; i < sequences.active; ++i) {
        const std::int64_t row = sequences.row[i];
        const float* in = gates_in + row * wide;
        const float* product = recurrent + i * wide;
        float* cell = cells + sequences.place[i] * hidden;
        for_vectors(
            0, hidden, [=](std::int64_t u, auto lanes) __attribute__((always_inline)) {
              const auto sum = [=](std::int64_t at) __attribute__((always_inline)) {
                return load(in + at, lanes) + load(product + at, lanes);
              };
              const Vec i = sigmoid(sum(u)), f = sigmoid(sum(hidden + u));
              const Vec g = tanh(sum(2 * hidden + u)), o = sigmoid(sum(3 * hidden + u));
              const Vec c = fma(f, load(cell + u, lanes), i * g);
              store(cell + u, c, lanes);
              store(output + row * hidden + u, o * tanh(c), lanes);
              if (!gates_out) return;
              store(gates_out + row * wide + u, i, lanes);
              store(gates_out + row * wide + hidden + u, f, lanes);
              store(gates_out + row * wide + 2 * hidden + u, g, lanes);
              store(gates_out + row * wide + 3 * hidden + u, o, lanes);
              store(cells_out + row * hidden + u, c, lanes);
            });
      }
    }
    sequences.for_rest([=](std::int64_t row) {
      zero_floats(output + row * hidden, hidden);
      if (gates_out) zero_floats(gates_out + row * wide, wide);
      if (cells_out) zero_floats(cells_out + row * hidden, hidden);
    });
  });
}

void run(const LstmBackward& k, Context& context) {
  if (k.output.dtype != DType::f32) return reference::run(k);
  const Recurrence recurrence{k.geometry, data_or_null<std::int32_t>(k.frames)};
  const std::int64_t hidden = k.geometry.hidden, wide = 4 * hidden;
  const float* output = k.output.data<float>();
  const float* gates = k.gates.data<float>();
  const float* cells = k.cells.data<float>();
  const float* grad_output = k.grad_output.data<float>();
  float* grad_gates = k.grad_gates_in.data<float>();
  const PackedWeights weights = pack_weights<PackTransposedB>(
      k.w_hh, Form::lstm_transposed, k.geometry.directions, wide, hidden, wide, context);

  context.pool.parallel_for(recurrence.tasks(), 1, [&](std::int64_t task, std::int64_t) {
    Sequences sequences(recurrence, task);
    float* a = context.scratch.local_floats(2, kRowsOfA + 2 * kSequences * hidden);
    float* grad_h = a + kRowsOfA;  // both from the step after
    float* grad_c = grad_h + kSequences * hidden;
    zero_floats(grad_h, 2 * kSequences * hidden);

    for (std::int64_t step = sequences.steps - 1; step >= 0; --step) {
      sequences.select(step);
      for (std::int64_t i = 0; i < sequences.active; ++i) {
        const std::int64_t row = sequences.row[i];
        const float* gate = gates + row * wide;
        const float* before = step > 0 ? cells + sequences.before[i] * hidden : nullptr;
        const float* from_h = grad_h + sequences.place[i] * hidden;
        float* from_c = grad_c + sequences.place[i] * hidden;
        float* to = grad_gates + row * wide;
        for_vectors(
            0, hidden, [=](std::int64_t u, auto lanes) __attribute__((always_inline)) {
              const Vec one(1.0f);
              const Vec i = load(gate + u, lanes), f = load(gate + hidden + u, lanes);
              const Vec g = load(gate + 2 * hidden + u, lanes), o = load(gate + 3 * hidden + u, lanes);
              const Vec tanh_c = tanh(load(cells + row * hidden + u, lanes));
              const Vec dh = load(grad_output + row * hidden + u, lanes) + load(from_h + u, lanes);
              const Vec dc = fma(dh * o, one - tanh_c * tanh_c, load(from_c + u, lanes));
              const Vec c_before = before ? load(before + u, lanes) : Vec();
              store(to + u, dc * g * (i * (one - i)), lanes);
              store(to + hidden + u, dc * c_before * (f * (one - f)), lanes);
              store(to + 2 * hidden + u, dc * i * (one - g * g), lanes);
              store(to + 3 * hidden + u, dh * tanh_c * (o * (one - o)), lanes);
              store(from_c + u, dc * f, lanes);
            });
      }
      if (step == 0) break;
      const float* grads[kSequences];
      float* to[kSequences];
      for (std::int64_t i = 0; i < sequences.active; ++i) {
        grads[i] = grad_gates + sequences.row[i] * wide;
        to[i] = grad_h + sequences.place[i] * hidden;
      }
      weights.multiply(sequences.direction, step, grads, to, sequences.active, a);
    }
    sequences.for_rest([=](std::int64_t row) { zero_floats(grad_gates + row * wide, wide); });
  });

  if (!k.grad_w_hh) return;
  const std::int64_t rows = static_cast<std::int64_t>(k.geometry.batch) * k.geometry.steps;
  for (std::int64_t d = 0; d < k.geometry.directions; ++d) {
    const PackStatesBefore states{output, recurrence, d};
    const PackB grads{grad_gates + d * wide, k.geometry.directions * wide};
    float* to = k.grad_w_hh.data<float>() + d * hidden * wide;
    if (split_parts(hidden, wide, rows) > 1)
      multiply_split(hidden, wide, rows, states, grads, to, wide, false, nullptr, context);
    else
      multiply(hidden, wide, rows, states, grads, PlainRows{to, wide}, {}, {}, context);
  }
}

}  // namespace tapeline::cpu::TAPELINE_ISA
