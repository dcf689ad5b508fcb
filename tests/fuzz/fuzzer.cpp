// libFuzzer's entry; the target is named by the environment: TAPELINE_FUZZ=picture. See run.sh.

#include <cstdint>
#include <cstdlib>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const tapeline::FuzzTarget& target = tapeline::find_fuzz_target(std::getenv("TAPELINE_FUZZ"));
  tapeline::survives(target, {reinterpret_cast<const char*>(data), size});
  return 0;
}
