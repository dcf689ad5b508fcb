#include "backends/cpu/dispatch.h"

#include <cstdlib>
#include <variant>

#include "engine/error.h"

namespace tapeline::cpu {
namespace {

bool has(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (isa == Isa::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && has(Isa::avx2);
#endif
  return isa == Isa::portable;
}

}  // namespace

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::portable:
      break;
  }
  return "portable";
}

Isa choose_isa() {
  const char* wanted = std::getenv("TAPELINE_CPU");
  const bool any = !wanted || !*wanted;
  for (const Isa isa : {Isa::avx512, Isa::avx2, Isa::portable}) {
    if (any ? has(isa) : wanted == name_of(isa)) {
      if (!has(isa))
        throw Error("TAPELINE_CPU={}: this processor lacks it; unset TAPELINE_CPU to use the best there is",
                    wanted);
      return isa;
    }
  }
  throw Error("TAPELINE_CPU={} is none of portable, avx2, avx512; unset it to use the best there is", wanted);
}

void run(Isa isa, const Kernel& kernel, Context& context) {
#if defined(__x86_64__)
  if (isa == Isa::avx512) return std::visit([&](const auto& k) { avx512::run(k, context); }, kernel);
  if (isa == Isa::avx2) return std::visit([&](const auto& k) { avx2::run(k, context); }, kernel);
#endif
  std::visit([&](const auto& k) { portable::run(k, context); }, kernel);
}

double multiply_add(Isa isa, int rounds) {
#if defined(__x86_64__)
  if (isa == Isa::avx512) return avx512::multiply_add(rounds);
  if (isa == Isa::avx2) return avx2::multiply_add(rounds);
#endif
  return portable::multiply_add(rounds);
}

}  // namespace tapeline::cpu
