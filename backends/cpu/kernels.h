#pragma once

// What the CPU backend's kernel files define. Each is compiled once for each instruction set, in a namespace
// of that name, with TAPELINE_ISA as its name inside the file:
//
//   namespace tapeline::cpu::TAPELINE_ISA {
//   void run(const Gemm& k, Context& context) { ... }
//   }
//
// A kernel that has no fast way for its operands (f64, say) calls reference::run(k). Such files keep to plain
// loops, simd.h and always-inlined templates: a template function of the standard library that is compiled
// for AVX-512 and not inlined may be the copy that the linker takes for the whole program.

#include "backends/cpu/scratch.h"
#include "backends/cpu/thread_pool.h"
#include "engine/kernels/kernel.h"

namespace tapeline::cpu {

struct Context {
  ThreadPool& pool;
  Scratch& scratch;
};

}  // namespace tapeline::cpu

// Those that multiply matrices are compiled once more with TAPELINE_BF16, for factors of that precision.
#define TAPELINE_DECLARE_PRODUCTS(isa)             \
  namespace tapeline::cpu::isa {                   \
  void run(const Conv2dForward&, Context&);        \
  void run(const Conv2dBackwardInput&, Context&);  \
  void run(const Conv2dBackwardWeight&, Context&); \
  void run(const Gemm&, Context&);                 \
  void run(const LstmForward&, Context&);          \
  void run(const LstmBackward&, Context&);         \
  }

#define TAPELINE_DECLARE_KERNELS(isa)                                            \
  TAPELINE_DECLARE_PRODUCTS(isa)                                                 \
  namespace tapeline::cpu::isa {                                                 \
  void run(const ActivationForward&, Context&);                                  \
  void run(const ActivationBackward&, Context&);                                 \
  void run(const BatchNormTraining&, Context&);                                  \
  void run(const BatchNormInference&, Context&);                                 \
  void run(const BatchNormBackward&, Context&);                                  \
  void run(const Cast&, Context&);                                               \
  void run(const Copy&, Context&);                                               \
  void run(const CtcLoss&, Context&);                                            \
  void run(const Dropout&, Context&);                                            \
  void run(const Binary&, Context&);                                             \
  void run(const Unary&, Context&);                                              \
  void run(const Fill&, Context&);                                               \
  void run(const LogSoftmaxForward&, Context&);                                  \
  void run(const LogSoftmaxBackward&, Context&);                                 \
  void run(const MaskColumns&, Context&);                                        \
  void run(const MaxPool2dForward&, Context&);                                   \
  void run(const MaxPool2dBackward&, Context&);                                  \
  void run(const GlobalNorm&, Context&);                                         \
  void run(const SgdStep&, Context&);                                            \
  void run(const AdamStep&, Context&);                                           \
  void run(const RmsPropStep&, Context&);                                        \
  void run(const AdadeltaStep&, Context&);                                       \
  void run(const Reduce&, Context&);                                             \
  /* Multiply-adds at full speed, for about `rounds` * 1000 cycles; how many. */ \
  double multiply_add(int rounds);                                               \
  }

TAPELINE_DECLARE_KERNELS(portable)
TAPELINE_DECLARE_PRODUCTS(portable_bf16)
#if defined(__x86_64__)
TAPELINE_DECLARE_KERNELS(avx2)
TAPELINE_DECLARE_KERNELS(avx512)
TAPELINE_DECLARE_PRODUCTS(avx512_bf16)
#endif
