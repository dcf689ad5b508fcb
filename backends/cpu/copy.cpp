// The box is brought into the output's own order and its axes merged where both sides go on evenly. The two
// innermost axes then are a plane, which is moved in blocks:
//   both sides contiguous        row by row
//   the other axis is the contiguous one on the input's side (a transposition)    tile by tile
//   anything else                element by element

#include <cstring>

#include "backends/cpu/lanes.h"
#include "backends/reference/kernels.h"

namespace tapeline::cpu::TAPELINE_ISA {
namespace {

struct Axis {
  std::int64_t extent = 1, input = 0, output = 0;  // strides
};

struct Axes {
  Axis axis[Shape::kMaxRank + 2];  // innermost first
  int count = 0;
};

TAPELINE_INLINE std::int64_t distance(std::int64_t stride) { return stride < 0 ? -stride : stride; }

/// The axes that are more than one element long, by their strides in the output.
Axes sorted_axes(const Copy& k) {
  Axes axes;
  for (int i = 0; i < k.box.rank(); ++i) {
    const Axis axis{k.box[i], k.input_strides[static_cast<std::size_t>(i)],
                    k.output_strides[static_cast<std::size_t>(i)]};
    if (axis.extent == 1) continue;
    int at = axes.count++;
    for (; at > 0 && distance(axes.axis[at - 1].output) >= distance(axis.output); --at)
      axes.axis[at] = axes.axis[at - 1];
    axes.axis[at] = axis;
  }
  return axes;
}

/// Whether no two indices of the box fall on one element of the output.
bool separate(const Axes& axes) {
  std::int64_t reach = 0;
  for (int i = 0; i < axes.count; ++i) {
    const std::int64_t step = distance(axes.axis[i].output);
    if (step <= reach) return false;
    reach += (axes.axis[i].extent - 1) * step;
  }
  return true;
}

Axes merged(const Axes& axes) {
  Axes result;
  for (int i = 0; i < axes.count; ++i) {
    const Axis& axis = axes.axis[i];
    if (result.count > 0) {
      Axis& inner = result.axis[result.count - 1];
      if (axis.input == inner.input * inner.extent && axis.output == inner.output * inner.extent) {
        inner.extent *= axis.extent;
        continue;
      }
    }
    result.axis[result.count++] = axis;
  }
  return result;
}

/// Brings the axis that is contiguous in the input next to the innermost one.
void prepare_transposition(Axes& axes) {
  if (axes.count < 3 || axes.axis[0].output != 1 || axes.axis[0].input == 1) return;
  for (int i = 2; i < axes.count; ++i)
    if (axes.axis[i].input == 1) std::swap(axes.axis[1], axes.axis[i]);
}

template <typename T, bool kAccumulate>
TAPELINE_INLINE void move(T* to, const T* from) {
  if constexpr (kAccumulate)
    *to += *from;
  else
    *to = *from;
}

template <typename T, bool kAccumulate>
void copy_block(const Axis& row, const Axis& column, const T* from, T* to) {
  constexpr std::int64_t kTile = 16;
  const bool plain = column.input == 1 && column.output == 1;
  if (!kAccumulate && plain && column.extent * static_cast<std::int64_t>(sizeof(T)) >= 32) {
    for (std::int64_t i = 0; i < row.extent; ++i)
      std::memcpy(to + i * row.output, from + i * row.input,
                  static_cast<std::size_t>(column.extent) * sizeof(T));
  } else if (plain) {
    for (std::int64_t i = 0; i < row.extent; ++i) {
      const T* source = from + i * row.input;
      T* target = to + i * row.output;
      for (std::int64_t j = 0; j < column.extent; ++j) move<T, kAccumulate>(target + j, source + j);
    }
  } else if (column.output == 1 && row.input == 1) {
    for (std::int64_t i = 0; i < row.extent; i += kTile)
      for (std::int64_t j = 0; j < column.extent; j += kTile) {
        const std::int64_t rows = std::min(kTile, row.extent - i),
                           columns = std::min(kTile, column.extent - j);
        for (std::int64_t y = i; y < i + rows; ++y)
          for (std::int64_t x = j; x < j + columns; ++x)
            move<T, kAccumulate>(to + y * row.output + x, from + y + x * column.input);
      }
  } else {
    for (std::int64_t i = 0; i < row.extent; ++i)
      for (std::int64_t j = 0; j < column.extent; ++j)
        move<T, kAccumulate>(to + i * row.output + j * column.output,
                             from + i * row.input + j * column.input);
  }
}

template <typename T, bool kAccumulate = false>
void copy(const Copy& k, const Axes& axes, Context& context) {
  const Axis &column = axes.axis[0], &row = axes.axis[1];
  const std::int64_t columns = std::min(column.extent, kTaskFloats),
                     rows = std::min(row.extent, task_rows(columns));
  const std::int64_t column_blocks = (column.extent + columns - 1) / columns;
  const std::int64_t row_blocks = (row.extent + rows - 1) / rows;
  std::int64_t blocks = column_blocks * row_blocks;
  for (int i = 2; i < axes.count; ++i) blocks *= axes.axis[i].extent;

  context.pool.parallel_for(blocks, task_rows(rows * columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t j = block % column_blocks * columns, i = block / column_blocks % row_blocks * rows;
      const T* from = k.input.data<T>() + k.input_start + j * column.input + i * row.input;
      T* to = k.output.data<T>() + k.output_start + j * column.output + i * row.output;
      std::int64_t outer = block / column_blocks / row_blocks;
      for (int axis = 2; axis < axes.count; ++axis) {
        const std::int64_t index = outer % axes.axis[axis].extent;
        outer /= axes.axis[axis].extent;
        from += index * axes.axis[axis].input;
        to += index * axes.axis[axis].output;
      }
      copy_block<T, kAccumulate>({std::min(rows, row.extent - i), row.input, row.output},
                                 {std::min(columns, column.extent - j), column.input, column.output}, from,
                                 to);
    }
  });
}

}  // namespace

void run(const Copy& k, Context& context) {
  if (k.box.elements() == 0) return;
  Axes axes = sorted_axes(k);
  // Where elements of the box meet in the output, their order matters.
  if (!separate(axes)) return reference::run(k);
  axes = merged(axes);
  prepare_transposition(axes);
  axes.count = std::max(axes.count, 2);
  if (k.accumulate)
    return k.output.dtype == DType::f32 ? copy<float, true>(k, axes, context)
                                        : copy<double, true>(k, axes, context);
  switch (size_of(k.output.dtype)) {
    case 1:
      return copy<std::uint8_t>(k, axes, context);
    case 2:
      return copy<std::uint16_t>(k, axes, context);
    case 4:
      return copy<std::uint32_t>(k, axes, context);
    default:
      return copy<std::uint64_t>(k, axes, context);
  }
}

}  // namespace tapeline::cpu::TAPELINE_ISA
