#pragma once

// One program for all processors of a kind: which of the compiled versions of the kernels is run.

#include <string_view>

#include "backends/cpu/kernels.h"
#include "engine/precision.h"

namespace tapeline::cpu {

enum class Isa { portable, avx2, avx512 };

std::string_view name_of(Isa isa);

/// The best that this processor has, or what the environment variable TAPELINE_CPU names. Throws when that is
/// unknown, or when the processor lacks it.
Isa choose_isa();

/// Whether its products can be taken of factors of this precision: bf16 with AVX512_BF16, and, for tests,
/// emulated where TAPELINE_CPU asks for portable.
bool computes(Isa isa, Precision precision);

/// computes(isa, precision).
void run(Isa isa, Precision precision, const Kernel& kernel, Context& context);

/// For measuring: multiply-adds at full speed on this thread, for about 1000 * `rounds` cycles. How many they
/// were.
double multiply_add(Isa isa, int rounds);

}  // namespace tapeline::cpu
