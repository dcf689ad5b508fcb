#pragma once

// The seam between engine and backends: every piece of work that a backend can be asked to do, as a value.
//
// Each struct has
//   name          a short name for traces and profiles
//   views(in, out) calls in(view) for each operand read and out(view) for each one written; an operand that
//   is both is
//                 passed to both. Absent optional operands (null storage) are passed too.
//   flops()       floating-point operations, a multiply-add counted as two
// Shapes, types and ranges have been checked before a kernel exists; backends trust them. All float operands
// of one kernel have the same type, f32 or f64, unless its comment says otherwise. No output overlaps an
// input unless the comment says that it may.

#include <string_view>
#include <variant>

#include "engine/kernels/activation.h"
#include "engine/kernels/batch_norm.h"
#include "engine/kernels/cast.h"
#include "engine/kernels/conv2d.h"
#include "engine/kernels/copy.h"
#include "engine/kernels/ctc.h"
#include "engine/kernels/dropout.h"
#include "engine/kernels/elementwise.h"
#include "engine/kernels/fill.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/log_softmax.h"
#include "engine/kernels/lstm.h"
#include "engine/kernels/mask.h"
#include "engine/kernels/max_pool2d.h"
#include "engine/kernels/optimizer.h"
#include "engine/kernels/reduce.h"

namespace tapeline {

using AnyKernel =
    std::variant<ActivationForward, ActivationBackward, BatchNormTraining, BatchNormInference,
                 BatchNormBackward, Cast, Conv2dForward, Conv2dBackwardInput, Conv2dBackwardWeight, Copy,
                 CtcLoss, Dropout, Binary, Unary, Fill, Gemm, LogSoftmaxForward, LogSoftmaxBackward,
                 LstmForward, LstmBackward, MaskColumns, MaxPool2dForward, MaxPool2dBackward, GlobalNorm,
                 SgdStep, AdamStep, RmsPropStep, AdadeltaStep, Reduce>;

/// One of them. Copied, moved and destroyed in kernel.cpp: in place, each op would compile all of that again.
class Kernel : public AnyKernel {
 public:
  using AnyKernel::AnyKernel;
  Kernel(const Kernel&);
  Kernel(Kernel&&) noexcept;
  Kernel& operator=(const Kernel&);
  Kernel& operator=(Kernel&&) noexcept;
  ~Kernel();
};

std::string_view name_of(const Kernel& kernel);
double flops_of(const Kernel& kernel);

/// Bytes read and written if every operand is moved once.
double bytes_of(const Kernel& kernel);

/// Calls in(view) and out(view) for the operands that are present.
template <typename In, typename Out>
void visit_views(const Kernel& kernel, In&& in, Out&& out) {
  std::visit(
      [&](const auto& k) {
        k.views(
            [&](const View& v) {
              if (v) in(v);
            },
            [&](const View& v) {
              if (v) out(v);
            });
      },
      kernel);
}

}  // namespace tapeline
