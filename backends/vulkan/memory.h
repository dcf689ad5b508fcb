#pragma once

// Few large allocations, cut up: drivers allow only some thousand of them. Each chunk is one buffer, so a
// tensor is a range of a buffer.

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/vulkan/logical_device.h"
#include "engine/storage.h"

namespace tapeline::vulkan {

/// A buffer with memory of its own.
class Buffer {
 public:
  Buffer(std::shared_ptr<LogicalDevice> device, std::size_t bytes, std::uint32_t memory_type, bool mapped);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  VkBuffer handle() const { return handle_; }
  std::size_t bytes() const { return bytes_; }
  /// Where the host sees it; null where it does not.
  std::byte* mapped() const { return mapped_; }

 private:
  std::shared_ptr<LogicalDevice> device_;
  std::size_t bytes_;
  VkBuffer handle_ = VK_NULL_HANDLE;
  VkDeviceMemory memory_ = VK_NULL_HANDLE;
  std::byte* mapped_ = nullptr;
};

/// A range of a buffer. One of no bytes is an absent operand.
struct Place {
  const Buffer* buffer = nullptr;
  std::size_t offset = 0, bytes = 0;
};

class Memory;

class MemoryBlock final : public Block {
 public:
  MemoryBlock(std::shared_ptr<Memory> memory, Place place);
  ~MemoryBlock() override;
  MemoryBlock(const MemoryBlock&) = delete;
  MemoryBlock& operator=(const MemoryBlock&) = delete;
  const Place& place() const { return place_; }

 private:
  std::shared_ptr<Memory> memory_;
  Place place_;
};

/// Where a view's elements lie, in whole words of four bytes.
Place place_of(const View& view);
/// Where `bytes` bytes lie, `offset` bytes into a storage.
Place place_of(const Storage& storage, std::size_t offset, std::size_t bytes);

class Memory : public std::enable_shared_from_this<Memory> {
 public:
  explicit Memory(std::shared_ptr<LogicalDevice> device) : device_(std::move(device)) {}

  /// First fit; a new chunk where none has room. Throws when the device's memory does not hold it.
  std::shared_ptr<MemoryBlock> allocate(std::size_t bytes);
  /// Gives chunks without a block back to the driver. The device must not be using them any more.
  void trim();

 private:
  friend class MemoryBlock;
  struct Chunk {
    std::unique_ptr<Buffer> buffer;
    std::map<std::size_t, std::size_t> free;  // offset to bytes; no two of them touch
  };

  void give_back(const Place& place);
  [[noreturn]] void refuse(std::size_t bytes, std::size_t left) const;

  std::shared_ptr<LogicalDevice> device_;
  std::mutex mutex_;
  std::vector<Chunk> chunks_;
  std::size_t reserved_ = 0, used_ = 0;
};

}  // namespace tapeline::vulkan
