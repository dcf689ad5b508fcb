// Shaders reach a limited range of a buffer (128 MiB on some drivers). Most kernels do the same to each
// image, so they can be done a few images at a time.

#include "backends/vulkan/split.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>

namespace tapeline::vulkan {
namespace {

/// Rows [first, first + count) of the outermost axis.
View part(const View& view, std::int64_t first, std::int64_t count) {
  if (!view) return view;
  View some = view;
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  std::copy(view.shape.begin(), view.shape.end(), extents.begin());
  const std::size_t row = view.shape[0] ? view.bytes() / static_cast<std::size_t>(view.shape[0]) : 0;
  extents[0] = count;
  some.shape =
      Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(view.shape.rank())));
  some.offset += static_cast<std::size_t>(first) * row;
  return some;
}

/// All elements in one row, where the kernel cares for no more.
View flat(const View& view) {
  View all = view;
  if (view) all.shape = Shape{view.elements()};
  return all;
}

/// As a matrix of so many rows.
View rows_of(const View& view, std::int64_t rows) {
  View matrix = view;
  matrix.shape = Shape{rows, rows ? view.elements() / rows : 0};
  return matrix;
}

/// A kernel that can be cut: how many rows it has, and what becomes of it for some of them.
struct Cut {
  std::int64_t rows = 0;
  std::function<Kernel(std::int64_t first, std::int64_t count)> make;
};

std::optional<Cut> cut(const auto&) { return {}; }

template <typename K>
Cut cut_elements(K kernel) {
  kernel.input = flat(kernel.input), kernel.output = flat(kernel.output);
  return {kernel.output.elements(), [kernel](std::int64_t first, std::int64_t count) -> Kernel {
            K some = kernel;
            some.input = part(kernel.input, first, count), some.output = part(kernel.output, first, count);
            return some;
          }};
}
std::optional<Cut> cut(const ActivationForward& k) { return cut_elements(k); }
std::optional<Cut> cut(const Unary& k) { return cut_elements(k); }
std::optional<Cut> cut(const Cast& k) { return cut_elements(k); }

std::optional<Cut> cut(const ActivationBackward& k) {
  return Cut{k.output.elements(), [k](std::int64_t first, std::int64_t count) -> Kernel {
               ActivationBackward some = k;
               some.output = part(flat(k.output), first, count);
               some.grad_output = part(flat(k.grad_output), first, count);
               some.grad_input = part(flat(k.grad_input), first, count);
               return some;
             }};
}

std::optional<Cut> cut(const Fill& k) {
  return Cut{k.output.elements(), [k](std::int64_t first, std::int64_t count) -> Kernel {
               return Fill{part(flat(k.output), first, count), k.value};
             }};
}

// What stretches along the outermost axis stays whole.
std::optional<Cut> cut(const Binary& k) {
  if (k.output.shape.rank() == 0) return {};
  const std::int64_t rows = k.output.shape[0];
  return Cut{rows, [k, rows](std::int64_t first, std::int64_t count) -> Kernel {
               const auto some = [&](const View& view) {
                 const bool whole = view.shape.rank() < k.output.shape.rank() || view.shape[0] != rows;
                 return whole ? view : part(view, first, count);
               };
               return Binary{some(k.a), some(k.b), part(k.output, first, count), k.kind};
             }};
}

template <typename K>
K some_images(K kernel, std::int64_t count) {
  kernel.geometry.batch = static_cast<int>(count);
  return kernel;
}

std::optional<Cut> cut(const Conv2dForward& k) {
  return Cut{k.geometry.batch, [k](std::int64_t first, std::int64_t count) -> Kernel {
               Conv2dForward some = some_images(k, count);
               some.input = part(k.input, first, count), some.output = part(k.output, first, count);
               return some;
             }};
}

std::optional<Cut> cut(const Conv2dBackwardInput& k) {
  return Cut{k.geometry.batch, [k](std::int64_t first, std::int64_t count) -> Kernel {
               Conv2dBackwardInput some = some_images(k, count);
               some.grad_output = part(k.grad_output, first, count);
               some.grad_input = part(k.grad_input, first, count);
               return some;
             }};
}

std::optional<Cut> cut(const Gemm& k) {
  if (k.transpose_a) return {};
  return Cut{k.rows, [k](std::int64_t first, std::int64_t count) -> Kernel {
               Gemm some = k;
               some.rows = count;
               some.a = part(rows_of(k.a, k.rows), first, count);
               some.c = part(rows_of(k.c, k.rows), first, count);
               return some;
             }};
}

std::optional<Cut> cut(const MaxPool2dForward& k) {
  return Cut{k.input.shape[0], [k](std::int64_t first, std::int64_t count) -> Kernel {
               MaxPool2dForward some = k;
               for (View MaxPool2dForward::*view : {&MaxPool2dForward::input, &MaxPool2dForward::widths,
                                                    &MaxPool2dForward::output, &MaxPool2dForward::choice})
                 some.*view = part(k.*view, first, count);
               return some;
             }};
}

std::optional<Cut> cut(const MaxPool2dBackward& k) {
  return Cut{k.choice.shape[0], [k](std::int64_t first, std::int64_t count) -> Kernel {
               MaxPool2dBackward some = k;
               some.choice = part(k.choice, first, count);
               some.grad_output = part(k.grad_output, first, count);
               some.grad_input = part(k.grad_input, first, count);
               return some;
             }};
}

template <typename K>
std::optional<Cut> cut_images(const K& k) {
  return Cut{k.input.shape[0], [k](std::int64_t first, std::int64_t count) -> Kernel {
               K some = k;
               some.input = part(k.input, first, count), some.output = part(k.output, first, count);
               some.widths = part(k.widths, first, count);
               return some;
             }};
}
std::optional<Cut> cut(const MaskColumns& k) { return cut_images(k); }
std::optional<Cut> cut(const BatchNormInference& k) { return cut_images(k); }

std::optional<Cut> cut(const LogSoftmaxForward& k) {
  if (k.input.shape.rank() < 2) return {};
  return Cut{k.input.shape[0], [k](std::int64_t first, std::int64_t count) -> Kernel {
               return LogSoftmaxForward{part(k.input, first, count), part(k.output, first, count)};
             }};
}

std::optional<Cut> cut(const LogSoftmaxBackward& k) {
  if (k.output.shape.rank() < 2) return {};
  return Cut{k.output.shape[0], [k](std::int64_t first, std::int64_t count) -> Kernel {
               return LogSoftmaxBackward{part(k.output, first, count), part(k.grad_output, first, count),
                                         part(k.grad_input, first, count)};
             }};
}

std::optional<Cut> cut(const CtcLoss& k) {
  return Cut{k.logits.shape[0], [k](std::int64_t first, std::int64_t count) -> Kernel {
               CtcLoss some = k;
               for (View CtcLoss::*view : {&CtcLoss::logits, &CtcLoss::labels, &CtcLoss::label_lengths,
                                           &CtcLoss::frames, &CtcLoss::loss, &CtcLoss::grad_logits})
                 some.*view = part(k.*view, first, count);
               return some;
             }};
}

// Where the outermost axis stays; where it goes, its runs are put together (reduce.cpp).
std::optional<Cut> cut(const Reduce& k) {
  if (k.input.shape.rank() == 0 || k.output.shape[0] != k.input.shape[0]) return {};
  return Cut{k.input.shape[0], [k](std::int64_t first, std::int64_t count) -> Kernel {
               return Reduce{part(k.input, first, count), part(k.output, first, count), k.kind};
             }};
}

std::optional<Cut> cut(const LstmForward& k) {
  return Cut{
      k.geometry.batch, [k](std::int64_t first, std::int64_t count) -> Kernel {
        LstmForward some = some_images(k, count);
        for (View LstmForward::*view : {&LstmForward::gates_in, &LstmForward::frames, &LstmForward::output,
                                        &LstmForward::gates, &LstmForward::cells})
          some.*view = part(k.*view, first, count);
        return some;
      }};
}

}  // namespace

std::size_t largest_operand(const Kernel& kernel) {
  std::size_t largest = 0;
  const auto look = [&](const View& view) { largest = std::max(largest, view.bytes()); };
  visit_views(kernel, look, look);
  return largest;
}

std::vector<Kernel> split(const Kernel& kernel, std::size_t most, std::size_t alignment) {
  const std::optional<Cut> whole = std::visit([](const auto& k) { return cut(k); }, kernel);
  if (!whole || whole->rows < 2) return {};
  // A row's bytes, in each operand that has rows; parts begin at multiples of so many rows.
  std::size_t step = 1, row = 0;
  const Kernel one = whole->make(0, 1), two = whole->make(0, 2);
  std::vector<std::size_t> bytes;
  const auto note = [&](const View& view) { bytes.push_back(view.bytes()); };
  visit_views(one, note, note);
  std::size_t i = 0;
  const auto compare = [&](const View& view) {
    const std::size_t more = view.bytes() - bytes[i++];
    row = std::max(row, more);
    if (more) step = std::lcm(step, alignment / std::gcd(more, alignment));
  };
  visit_views(two, compare, compare);
  if (row == 0) return {};
  const std::size_t count =
      std::min<std::size_t>(most / row, static_cast<std::size_t>(whole->rows)) / step * step;
  if (count == 0) return {};

  std::vector<Kernel> parts;
  for (std::int64_t first = 0; first < whole->rows; first += static_cast<std::int64_t>(count)) {
    parts.push_back(whole->make(first, std::min(static_cast<std::int64_t>(count), whole->rows - first)));
    if (largest_operand(parts.back()) > most) return {};  // an operand without rows
  }
  return parts;
}

}  // namespace tapeline::vulkan
