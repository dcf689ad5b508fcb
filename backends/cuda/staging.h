#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <span>
#include <vector>

namespace tapeline::cuda {

/// The way between host memory and the card, through pinned memory, which the card reads and writes by
/// itself.
///
/// A large upload travels on a stream of its own into a buffer on the card, while kernels go on computing;
/// the last hop, on the card, waits for those that were submitted before. The caller waits only when all
/// slots are on their way.
class Staging {
 public:
  explicit Staging(cudaStream_t stream);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  void upload(void* to, std::span<const std::byte> from);
  /// Returns when the bytes are there.
  void download(const void* from, std::span<std::byte> to);

 private:
  struct Slot {
    void *host = nullptr, *device = nullptr;  // device: large slots only
    cudaEvent_t arrived = nullptr, free = nullptr;
    bool used = false;
  };
  Slot& next(std::vector<Slot>& ring, std::size_t& turn, std::size_t bytes, bool on_device);

  cudaStream_t stream_, copies_ = nullptr;
  std::vector<Slot> small_, large_;
  std::size_t small_turn_ = 0, large_turn_ = 0;
};

}  // namespace tapeline::cuda
