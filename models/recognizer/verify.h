#pragma once

// Whether a device makes of a network what another one makes of it: the recorded program, kernel by kernel on
// both, and the texts at the end. Each device goes on from its own values, so the first layer that is off is
// where the fault lies.

#include <functional>
#include <string>
#include <vector>

#include "models/data/dataset.h"
#include "models/recognizer/recognizer.h"

namespace tapeline {

/// What the two made of one layer, at the element where they are furthest apart.
struct LayerDifference {
  std::string layer;  // "3-4: Cr3,3,64 Mp2,2", its place and text; layers that one kernel does stand together
  std::string kernel = {};  // "conv2d_forward"
  Shape shape = {};         // of what that kernel writes
  std::int64_t element = 0;
  double expected = 0, found = 0;
  double largest = 0;     // of all values expected of the layer, without sign
  double difference = 0;  // |expected - found|; infinite where just one of them is finite

  /// As a share of the largest value; infinite where that is 0 and there is a difference.
  double share() const;
};

struct TextDifference {
  std::string name, expected, found;
};

struct Verification {
  int images = 0;
  std::vector<LayerDifference> layers;  // in order; the last is the whole program, as it is replayed
  std::vector<TextDifference> texts;    // of images that are read differently

  /// The first layer whose share is beyond the tolerance; null where there is none.
  const LayerDifference* first_beyond(double tolerance) const;
};

struct VerifyOptions {
  int batch = 16;
  int threads = 0;  // that prepare pictures
  std::function<void(int done, int all)> progress = {};
};

/// `expected` and `tested` are one model on two devices; the images of a finite set go through both. Throws
/// Error where one of them fails, and where the set has no image that can be used.
Verification verify(const Model& expected, const Model& tested, const DatasetPtr& data,
                    const VerifyOptions& options);

}  // namespace tapeline
