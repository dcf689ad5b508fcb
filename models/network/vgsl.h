#pragma once

// A network as a line of text: VGSL, the "variable-size graph specification language" of Tesseract and
// kraken.
//
//   [1,60,180,1 Cl3,3,64 Bn Al.01 Mp2,2 S1(1x0)1,3 Lfx128 Do.2 O1c]
//
//   b,h,w,d          input: batch (any), height, width (0: any, with the aspect ratio kept), channels (1 or
//   3) C(l|r|a|s|t)y,x,d[,sy,sx[,dy,dx]]   convolution with a window of y by x and d outputs, strides sy, sx,
//   dilations dy, dx; then
//                    nothing, ReLU, leaky ReLU (.01), sigmoid, tanh. SAME padding; Cv...: VALID (an
//                    extension)
//   Mp y,x[,sy,sx]   max pooling, the stride is the window unless given; SAME padding; Mpv...: VALID (an
//   extension) L(f|r|b)x[+]n    LSTM of n along the width: forward, reverse, both (outputs concatenated, with
//   + summed: an extension) S1(1x0)1,3       folds the height into the channels: columns become time steps
//   with h * d features Do[p]            dropout of rate p (.5) ( a b ... )      parallel: outputs
//   concatenated along the channels; [ a b ... ] inside it: in series O1c[n]           linear layer to n
//   classes (left out: as many as the charset needs) and CTC; the last layer
// Extensions:
//   Bn, Bnp          batch normalisation (epsilon 1e-5, momentum .9); Bnp without scale and offset
//   A(r|6|l|s|t)[slope]  ReLU, ReLU6, leaky ReLU of that slope (.01), sigmoid, tanh by itself
//   I                identity, for skips: (Lbx64 I)
//   O1c[n]z<k>       as O1c; weights from the first k features, and the bias, start at zero
// Blanks may stand anywhere between layers; a decimal may begin with its point.

#include <string>
#include <string_view>
#include <vector>

#include "engine/kernels/activation.h"

namespace tapeline {

struct LayerSpec {
  enum class Kind {
    convolution,
    max_pool,
    batch_norm,
    activation,
    lstm,
    columns,
    dropout,
    parallel,
    series,
    identity,
    output
  };
  Kind kind = Kind::identity;
  std::string text;           // as written
  int height = 1, width = 1;  // of a window
  int stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int depth = 0;       // outputs of a convolution, LSTM or the output layer (0: the charset's)
  bool valid = false;  // VALID padding
  bool plain = false;  // batch normalisation without scale and offset
  bool forward = true, reverse = false, sum = false;  // LSTM
  int zero_inputs = 0;                                // output: weights from so many features start at zero
  float rate = 0.5f;                                  // dropout
  Activation activation;                              // of a convolution or by itself
  std::vector<LayerSpec> children;                    // parallel, series
};

struct NetworkSpec {
  std::string text;
  int height = 0, width = 0, channels = 1;  // width 0: any
  std::vector<LayerSpec> layers;            // the last one is the output
};

/// Throws with the place in the text and what was expected there. Windows are at most 255 long, depths at
/// most 65,536, layers 1,000, nesting 8 deep.
NetworkSpec parse_vgsl(std::string_view text);

}  // namespace tapeline
