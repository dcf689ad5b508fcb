// The LSTM recurrence and its way back. All operands are laid out [N, T, D, ...], so one number, `at`, finds
// a time step of a sequence and direction in each of them, and the step before is D further on or back.

#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/reference/activation.h"
#include "backends/reference/dispatch.h"
#include "backends/reference/index.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {
namespace {

// Calls visit(n, d, frames, reverse) for each sequence in each direction.
template <typename Visit>
void for_each_sequence(const LstmGeometry& size, const View& frames, Visit&& visit) {
  for (int d = 0; d < size.directions; ++d)
    for (int n = 0; n < size.batch; ++n)
      visit(n, d, length_of(frames, n, size.steps), size.directions == 2 ? d == 1 : size.reverse);
}

}  // namespace

void run(const LstmForward& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const LstmGeometry& size = k.geometry;
    const std::int64_t hidden = size.hidden;
    const T* gates_in = k.gates_in.data<T>();
    T* output = k.output.data<T>();
    T* gates_out = data_or_null<T>(k.gates);
    T* cells = data_or_null<T>(k.cells);
    std::fill_n(output, k.output.elements(), T{0});
    if (gates_out) std::fill_n(gates_out, k.gates.elements(), T{0});
    if (cells) std::fill_n(cells, k.cells.elements(), T{0});

    for_each_sequence(size, k.frames, [&](int n, int d, std::int64_t frames, bool reverse) {
      const T* w_hh = k.w_hh.data<T>() + d * hidden * 4 * hidden;
      std::vector<double> h(hidden), c(hidden), gates(4 * hidden);
      for (std::int64_t step = 0; step < frames; ++step) {
        const std::int64_t t = reverse ? frames - 1 - step : step;
        const std::int64_t at = (static_cast<std::int64_t>(n) * size.steps + t) * size.directions + d;
        for (std::int64_t gate = 0; gate < 4 * hidden; ++gate) {
          double sum = gates_in[at * 4 * hidden + gate];
          for (std::int64_t u = 0; u < hidden; ++u) sum += h[u] * w_hh[u * 4 * hidden + gate];
          gates[gate] = gate / hidden == 2 ? std::tanh(sum) : sigmoid(sum);
        }
        for (std::int64_t u = 0; u < hidden; ++u) {
          const double i = gates[u], f = gates[hidden + u], g = gates[2 * hidden + u],
                       o = gates[3 * hidden + u];
          c[u] = f * c[u] + i * g;
          h[u] = o * std::tanh(c[u]);
        }
        std::copy(h.begin(), h.end(), output + at * hidden);
        if (gates_out) std::copy(gates.begin(), gates.end(), gates_out + at * 4 * hidden);
        if (cells) std::copy(c.begin(), c.end(), cells + at * hidden);
      }
    });
  });
}

void run(const LstmBackward& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const LstmGeometry& size = k.geometry;
    const std::int64_t hidden = size.hidden, weights = hidden * 4 * hidden;
    const T* w_hh = k.w_hh.data<T>();
    const T* output = k.output.data<T>();
    const T* gates = k.gates.data<T>();
    const T* cells = k.cells.data<T>();
    const T* grad_output = k.grad_output.data<T>();
    T* grad_gates_in = k.grad_gates_in.data<T>();
    std::fill_n(grad_gates_in, k.grad_gates_in.elements(), T{0});
    std::vector<double> grad_w_hh(static_cast<std::size_t>(size.directions * weights));

    for_each_sequence(size, k.frames, [&](int n, int d, std::int64_t frames, bool reverse) {
      std::vector<double> grad_h(hidden), grad_c(hidden), grad_gates(4 * hidden);  // from the step after
      for (std::int64_t step = frames - 1; step >= 0; --step) {
        const std::int64_t t = reverse ? frames - 1 - step : step;
        const std::int64_t at = (static_cast<std::int64_t>(n) * size.steps + t) * size.directions + d;
        const std::int64_t before = reverse ? at + size.directions : at - size.directions;
        const T* gate = gates + at * 4 * hidden;

        for (std::int64_t u = 0; u < hidden; ++u) {
          const double i = gate[u], f = gate[hidden + u], g = gate[2 * hidden + u], o = gate[3 * hidden + u];
          const double tanh_c = std::tanh(double{cells[at * hidden + u]});
          const double c_before = step > 0 ? cells[before * hidden + u] : 0;
          const double dh = grad_output[at * hidden + u] + grad_h[u];
          const double dc = dh * o * (1 - tanh_c * tanh_c) + grad_c[u];
          grad_gates[u] = dc * g * i * (1 - i);
          grad_gates[hidden + u] = dc * c_before * f * (1 - f);
          grad_gates[2 * hidden + u] = dc * i * (1 - g * g);
          grad_gates[3 * hidden + u] = dh * tanh_c * o * (1 - o);
          grad_c[u] = dc * f;
        }
        std::copy(grad_gates.begin(), grad_gates.end(), grad_gates_in + at * 4 * hidden);

        for (std::int64_t u = 0; u < hidden; ++u) {
          const double h_before = step > 0 ? output[before * hidden + u] : 0;
          grad_h[u] = 0;
          for (std::int64_t j = 0; j < 4 * hidden; ++j) {
            const std::int64_t w = d * weights + u * 4 * hidden + j;
            grad_h[u] += w_hh[w] * grad_gates[j];
            grad_w_hh[w] += h_before * grad_gates[j];
          }
        }
      }
    });
    if (k.grad_w_hh) std::copy(grad_w_hh.begin(), grad_w_hh.end(), k.grad_w_hh.data<T>());
  });
}

}  // namespace tapeline::reference
