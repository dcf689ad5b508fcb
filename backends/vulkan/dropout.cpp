#include "backends/vulkan/kernels.h"
#include "shaders/dropout.spv.h"

namespace tapeline::vulkan {
namespace {

constexpr Shader kDropout{"dropout", dropout_spv};

struct Push {
  std::uint32_t count, first_four, stream;
  float rate, kept;
};

}  // namespace

void plan(const Dropout& k, Plan& plan) {
  require_f32(k.output);
  const std::int64_t fours = (std::int64_t{count_of(k.output)} + 3) / 4;
  const auto kept = static_cast<float>(1 - double{k.rate});
  for (const Run& run : plan.runs(fours, {4 * sizeof(float)})) {
    const Place input = rows_of(place_of(k.input), 4 * sizeof(float), run),
                output = rows_of(place_of(k.output), 4 * sizeof(float), run);
    const std::uint32_t count = narrow(static_cast<std::int64_t>(output.bytes / sizeof(float)));
    plan.dispatch(kDropout, {in(input), in(k.state), out(output)},
                  Push{count, narrow(run.first), k.stream, k.rate, kept}, one_each(run.count));
  }
}

}  // namespace tapeline::vulkan
