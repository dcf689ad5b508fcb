#pragma once

#include <vector>

#include "models/data/batch.h"
#include "models/network/network.h"

namespace tapeline {

/// Room on a device for the pictures of a batch, and their way into the network. They travel as bytes, a
/// quarter of what the values that the network sees would be; these are computed there.
class BatchInput {
 public:
  BatchInput() = default;
  /// For `count` pictures, `width` wide; the rest as the network wants it. Not within record().
  BatchInput(const Network& network, int count, int width);

  /// Throws where the batch is of another size.
  void upload(const Batch& batch) const;
  /// f32 [count, H, width, C], zero right of each picture's own width. Within record(): of whatever has been
  /// uploaded by the time of a replay.
  Tensor values() const;
  /// i32 [count] for each stage of the network's geometry; none where it takes one width only.
  const std::vector<Tensor>& widths() const { return widths_; }
  std::size_t bytes() const { return pixels_.view().bytes(); }

 private:
  const Network* network_ = nullptr;
  Tensor pixels_, offsets_, factors_;  // u8 [count, H, width, C]; f32 [count, 1, 1, 1]
  std::vector<Tensor> widths_;
};

}  // namespace tapeline
