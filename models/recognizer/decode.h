#pragma once

// From a network's logits to classes, on the host. Class 0 is the blank.

#include <span>
#include <vector>

namespace tapeline {

struct DecodedClass {
  int label = 0;                        // > 0
  int first_frame = 0, last_frame = 0;  // where the best path stays on it, both included
  float confidence = 0;                 // mean probability over those frames
};

struct Decoded {
  std::vector<DecodedClass> classes;
  /// Probability of exactly this sequence, summed over all its alignments.
  double confidence = 1;
};

/// The best path, collapsed: the likeliest class of each frame, repeats merged, blanks dropped. `logits` is
/// [frames, classes], not normalised. No frames give an empty sequence of confidence 1.
Decoded decode_best_path(std::span<const float> logits, int classes);

/// ln p(labels | logits), the forward variable of CTC (Graves et al. 2006), -infinity where no alignment
/// exists.
double log_probability(std::span<const float> logits, int classes, std::span<const int> labels);

}  // namespace tapeline
