// libFuzzer's entry; the target is named by the environment: TAPELINE_FUZZ=picture. See run.sh. Beside the
// target's own checks, the heap that it takes is held against decoding_memory(), which for anything but a
// large picture is four times its size and 64 MiB.

#include <sanitizer/allocator_interface.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "models/image/image_io.h"
#include "tests/fuzz/targets.h"

namespace {

thread_local std::int64_t live = 0, peak = 0;  // of this run

void on_malloc(const volatile void*, std::size_t size) {
  live += static_cast<std::int64_t>(size);
  peak = std::max(peak, live);
}

void on_free(const volatile void* memory) {
  if (memory) live -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(memory));
}

const tapeline::FuzzTarget& target() {
  static const tapeline::FuzzTarget& named = tapeline::find_fuzz_target(std::getenv("TAPELINE_FUZZ"));
  return named;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most,
                                               unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (target().repair && seed % 8 != 0) target().repair({reinterpret_cast<char*>(data), size});
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  [[maybe_unused]] static const int hooks = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  live = peak = 0;
  tapeline::survives(target(), bytes);
  if (const std::int64_t most = tapeline::decoding_memory(std::as_bytes(std::span(bytes))); peak > most) {
    std::fprintf(stderr, "%zu bytes took %lld bytes of memory, more than %lld\n", size,
                 static_cast<long long>(peak), static_cast<long long>(most));
    std::abort();
  }
  return 0;
}
