#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tapeline {

/// What one step works on. What the network sees of a byte is (byte - offset) * factor, and 0 right of an
/// image's own width. After a label's own length it is 0.
struct Batch {
  int count = 0, height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;     // [count, height, width, channels]
  std::vector<float> offsets, factors;  // [count]
  std::vector<std::int32_t> widths;     // [count]

  int max_label = 0;
  std::vector<std::int32_t> labels;         // [count, max_label], classes of the charset
  std::vector<std::int32_t> label_lengths;  // [count]

  std::vector<std::string> names, texts;
  std::vector<std::size_t> indices;  // in the data set
};

}  // namespace tapeline
