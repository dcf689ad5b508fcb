#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/reference/dispatch.h"
#include "backends/reference/index.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {
namespace {

constexpr int kNone = 255;

}  // namespace

void run(const MaxPool2dForward& k) {
  with_float(k.output.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    T* output = k.output.data<T>();
    auto* choices = data_or_null<std::uint8_t>(k.choice);
    const Shape &in = k.input.shape, &out = k.output.shape;
    const Index4 in_at(in), out_at(out);
    const Window2d& window = k.window;
    const std::int64_t height = in[1];
    for (std::int64_t n = 0; n < out[0]; ++n) {
      const std::int64_t width = length_of(k.widths, n, in[2]);
      for (std::int64_t y = 0; y < out[1]; ++y)
        for (std::int64_t x = 0; x < out[2]; ++x)
          for (std::int64_t c = 0; c < out[3]; ++c) {
            int choice = kNone;
            T best = 0;
            for (int i = 0; i < window.height; ++i)
              for (int j = 0; j < window.width; ++j) {
                const std::int64_t in_y = y * window.stride_h - window.pad_top + i;
                const std::int64_t in_x = x * window.stride_w - window.pad_left + j;
                if (in_y < 0 || in_y >= height || in_x < 0 || in_x >= width) continue;
                const T value = input[in_at(n, in_y, in_x, c)];
                if (choice == kNone || value > best || (std::isnan(value) && !std::isnan(best))) {
                  best = value;
                  choice = i * window.width + j;
                }
              }
            output[out_at(n, y, x, c)] = best;
            if (choices) choices[out_at(n, y, x, c)] = static_cast<std::uint8_t>(choice);
          }
    }
  });
}

void run(const MaxPool2dBackward& k) {
  with_float(k.grad_input.dtype, [&]<typename T>() {
    const T* grad_output = k.grad_output.data<T>();
    const auto* choices = k.choice.data<std::uint8_t>();
    const Shape& out = k.grad_output.shape;
    const Index4 in_at(k.grad_input.shape), out_at(out);
    const Window2d& window = k.window;
    std::vector<double> sums(static_cast<std::size_t>(k.grad_input.elements()));
    for (std::int64_t n = 0; n < out[0]; ++n)
      for (std::int64_t y = 0; y < out[1]; ++y)
        for (std::int64_t x = 0; x < out[2]; ++x)
          for (std::int64_t c = 0; c < out[3]; ++c) {
            const int choice = choices[out_at(n, y, x, c)];
            if (choice == kNone) continue;
            const std::int64_t in_y = y * window.stride_h - window.pad_top + choice / window.width;
            const std::int64_t in_x = x * window.stride_w - window.pad_left + choice % window.width;
            sums[in_at(n, in_y, in_x, c)] += grad_output[out_at(n, y, x, c)];
          }
    std::copy(sums.begin(), sums.end(), k.grad_input.data<T>());
  });
}

}  // namespace tapeline::reference
