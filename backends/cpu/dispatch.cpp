#include "backends/cpu/dispatch.h"

#include <cstdlib>
#include <type_traits>
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

template <typename K>
constexpr bool kIsProduct =
    std::is_same_v<K, Gemm> || std::is_same_v<K, Conv2dForward> || std::is_same_v<K, Conv2dBackwardInput> ||
    std::is_same_v<K, Conv2dBackwardWeight> || std::is_same_v<K, LstmForward> ||
    std::is_same_v<K, LstmBackward>;

/// The wanted instruction set, empty where none is named.
std::string_view wanted_isa() {
  const char* wanted = std::getenv("TAPELINE_CPU");
  return wanted ? wanted : "";
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
  const std::string_view wanted = wanted_isa();
  const bool any = wanted.empty();
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

bool computes(Isa isa, Precision precision) {
  if (precision != Precision::bf16) return precision == Precision::fp32;
#if defined(__x86_64__)
  if (isa == Isa::avx512) return __builtin_cpu_supports("avx512bf16");
#endif
  return isa == Isa::portable && wanted_isa() == name_of(Isa::portable);
}

void run(Isa isa, Precision precision, const Kernel& kernel, Context& context) {
  if (precision == Precision::bf16) {
    const bool done = std::visit(
        [&](const auto& k) {
          if constexpr (kIsProduct<std::remove_cvref_t<decltype(k)>>) {
#if defined(__x86_64__)
            if (isa == Isa::avx512) return avx512_bf16::run(k, context), true;
#endif
            return portable_bf16::run(k, context), true;
          }
          return false;
        },
        kernel);
    if (done) return;
  }
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
