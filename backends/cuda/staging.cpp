#include "backends/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "backends/cuda/errors.h"

namespace tapeline::cuda {
namespace {

constexpr std::size_t kSmall = std::size_t{64} << 10, kLarge = std::size_t{8} << 20;
constexpr std::size_t kSmallSlots = 16, kLargeSlots = 3;

}  // namespace

Staging::Staging(cudaStream_t stream) : stream_(stream), small_(kSmallSlots), large_(kLargeSlots) {
  check(cudaStreamCreateWithFlags(&copies_, cudaStreamNonBlocking), "making a stream");
}

Staging::~Staging() {
  for (auto* ring : {&small_, &large_})
    for (Slot& slot : *ring) {
      if (slot.arrived) cudaEventDestroy(slot.arrived);
      if (slot.free) cudaEventDestroy(slot.free);
      cudaFreeHost(slot.host);
      cudaFree(slot.device);
    }
  cudaStreamDestroy(copies_);
}

Staging::Slot& Staging::next(std::vector<Slot>& ring, std::size_t& turn, std::size_t bytes, bool on_device) {
  Slot& slot = ring[turn++ % ring.size()];
  // Each by itself: one that failed for want of memory is tried again the next time.
  if (!slot.host) check(cudaMallocHost(&slot.host, bytes), "allocating pinned memory");
  if (on_device && !slot.device) check(cudaMalloc(&slot.device, bytes), "allocating a buffer for uploads");
  for (cudaEvent_t* event : {&slot.arrived, &slot.free})
    if (!*event) check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "making an event");
  if (slot.used) check(cudaEventSynchronize(slot.free), "waiting for an upload");
  slot.used = true;
  return slot;
}

void Staging::upload(void* to, std::span<const std::byte> from) {
  while (!from.empty()) {
    const bool is_small = from.size() <= kSmall;
    const std::size_t bytes = std::min(from.size(), kLarge);
    Slot& slot =
        is_small ? next(small_, small_turn_, kSmall, false) : next(large_, large_turn_, kLarge, true);
    std::memcpy(slot.host, from.data(), bytes);
    if (is_small) {
      check(cudaMemcpyAsync(to, slot.host, bytes, cudaMemcpyHostToDevice, stream_), "upload");
    } else {
      check(cudaMemcpyAsync(slot.device, slot.host, bytes, cudaMemcpyHostToDevice, copies_), "upload");
      check(cudaEventRecord(slot.arrived, copies_), "upload");
      check(cudaStreamWaitEvent(stream_, slot.arrived), "upload");
      check(cudaMemcpyAsync(to, slot.device, bytes, cudaMemcpyDeviceToDevice, stream_), "upload");
    }
    check(cudaEventRecord(slot.free, stream_), "upload");
    to = static_cast<std::byte*>(to) + bytes;
    from = from.subspan(bytes);
  }
}

void Staging::download(const void* from, std::span<std::byte> to) {
  while (!to.empty()) {
    const bool is_small = to.size() <= kSmall;
    const std::size_t bytes = std::min(to.size(), kLarge);
    Slot& slot =
        is_small ? next(small_, small_turn_, kSmall, false) : next(large_, large_turn_, kLarge, true);
    check(cudaMemcpyAsync(slot.host, from, bytes, cudaMemcpyDeviceToHost, stream_), "download");
    check(cudaEventRecord(slot.free, stream_), "download");
    check(cudaEventSynchronize(slot.free), "waiting for a download");
    std::memcpy(to.data(), slot.host, bytes);
    from = static_cast<const std::byte*>(from) + bytes;
    to = to.subspan(bytes);
  }
}

}  // namespace tapeline::cuda
