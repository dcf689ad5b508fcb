#pragma once

// Memory that kernels work in: grows to what was ever needed, then stays, so that a training step after the
// first makes no system call.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tapeline::cpu {

class Scratch {
 public:
  static constexpr int kSlots = 4;

  explicit Scratch(int threads);

  /// Uninitialised memory for all threads, aligned to 64 bytes. To be asked for outside parallel_for; valid
  /// until the next call with this slot, in [0, kSlots).
  void* shared(int slot, std::size_t bytes);
  /// The same, for the calling thread alone; to be asked for inside the body of parallel_for or outside.
  void* local(int slot, std::size_t bytes);

  [[gnu::always_inline]] inline float* shared_floats(int slot, std::int64_t count) {
    return static_cast<float*>(shared(slot, static_cast<std::size_t>(count) * sizeof(float)));
  }
  [[gnu::always_inline]] inline float* local_floats(int slot, std::int64_t count) {
    return static_cast<float*>(local(slot, static_cast<std::size_t>(count) * sizeof(float)));
  }

 private:
  struct Buffer {
    std::unique_ptr<std::byte, void (*)(std::byte*)> memory;
    std::size_t bytes = 0;
  };
  void* take(std::size_t owner, int slot, std::size_t bytes);
  std::vector<Buffer> buffers_;  // [shared, thread 0, thread 1, ...][slot]
};

}  // namespace tapeline::cpu
