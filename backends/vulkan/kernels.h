#pragma once

// What the kernel files of this folder define: each appends its dispatches to the plan. Shapes are NHWC, and
// everything has been checked, but the element types: only f32 is computed in.

#include "backends/vulkan/plan.h"

namespace tapeline::vulkan {

void plan(const ActivationForward&, Plan&);
void plan(const ActivationBackward&, Plan&);
void plan(const BatchNormTraining&, Plan&);
void plan(const BatchNormInference&, Plan&);
void plan(const BatchNormBackward&, Plan&);
void plan(const Cast&, Plan&);
void plan(const Conv2dForward&, Plan&);
void plan(const Conv2dBackwardInput&, Plan&);
void plan(const Conv2dBackwardWeight&, Plan&);
void plan(const Copy&, Plan&);
void plan(const CtcLoss&, Plan&);
void plan(const Dropout&, Plan&);
void plan(const Binary&, Plan&);
void plan(const Unary&, Plan&);
void plan(const Fill&, Plan&);
void plan(const Gemm&, Plan&);
void plan(const LogSoftmaxForward&, Plan&);
void plan(const LogSoftmaxBackward&, Plan&);
void plan(const LstmForward&, Plan&);
void plan(const LstmBackward&, Plan&);
void plan(const MaskColumns&, Plan&);
void plan(const MaxPool2dForward&, Plan&);
void plan(const MaxPool2dBackward&, Plan&);
void plan(const GlobalNorm&, Plan&);
void plan(const SgdStep&, Plan&);
void plan(const AdamStep&, Plan&);
void plan(const RmsPropStep&, Plan&);
void plan(const AdadeltaStep&, Plan&);
void plan(const Reduce&, Plan&);

/// Transposes `count` matrices of f32, from [rows, columns] to [columns, rows].
void plan_turn(const Place& from, const Place& to, std::int64_t count, std::int64_t rows,
               std::int64_t columns, Plan& plan);

/// Factors of products, which a shader reads as texels, in fours or one by one: themselves, or a copy in fp16
/// where the device computes in it.
Operand factors_as_texels(const Place& factors, bool fours, Plan& plan);
/// The same as a storage buffer; in fours.
Operand factors_in_fours(const Place& factors, Plan& plan);

}  // namespace tapeline::vulkan
