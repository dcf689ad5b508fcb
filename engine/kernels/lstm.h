#pragma once

// The recurrence of an LSTM (Hochreiter and Schmidhuber 1997, with forget gates) over whole sequences, in one
// direction or in both. The projection of the input, x W_ih + b, has been done for all time steps by a Gemm
// and comes in as `gates_in`.
//
// With the four gates in the order i, f, g, o, for each direction d, image n and its time step t (forward: t
// - 1 is the step before, and steps run from 0; backward: t + 1 is, and they run from the sequence's own last
// frame to 0):
//   [i f g o] = gates_in[n, t, d] + h[before] w_hh[d]
//   c = sigmoid(f) c[before] + sigmoid(i) tanh(g)
//   h = sigmoid(o) tanh(c)
// The state before the first step is zero. Frames t >= frames[n] are not visited; output there is zero.

#include <string_view>

#include "engine/storage.h"

namespace tapeline {

struct LstmGeometry {
  int batch = 0, steps = 0, hidden = 0;
  int directions = 1;    // 1 or 2
  bool reverse = false;  // with one direction: run it backward
};

struct LstmForward {
  static constexpr std::string_view name = "lstm_forward";
  View gates_in;  // [N, T, D, 4H]
  View w_hh;      // [D, H, 4H]
  View frames;    // i32 [N], 0..T; optional: T for all
  View output;    // [N, T, D * H], forward direction first
  View gates;  // [N, T, D, 4H], sigmoid(i), sigmoid(f), tanh(g), sigmoid(o): kept for the way back; optional
  View cells;  // [N, T, D, H], c; optional, present with gates. Both are zero past a sequence's end
  LstmGeometry geometry;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(gates_in), in(w_hh), in(frames), out(output), out(gates), out(cells);
  }
  double flops() const {
    return 8.0 * geometry.batch * geometry.steps * geometry.directions * geometry.hidden * geometry.hidden;
  }
};

struct LstmBackward {
  static constexpr std::string_view name = "lstm_backward";
  View w_hh, frames, output, gates, cells;  // as above
  View grad_output;                         // [N, T, D * H]; not read past a sequence's end
  View grad_gates_in;                       // [N, T, D, 4H], zero past a sequence's end
  View grad_w_hh;                           // [D, H, 4H], optional
  LstmGeometry geometry;

  template <typename In, typename Out>
  void views(In&& in, Out&& out) const {
    in(w_hh), in(frames), in(output), in(gates), in(cells), in(grad_output), out(grad_gates_in),
        out(grad_w_hh);
  }
  double flops() const {
    return 16.0 * geometry.batch * geometry.steps * geometry.directions * geometry.hidden * geometry.hidden;
  }
};

}  // namespace tapeline
