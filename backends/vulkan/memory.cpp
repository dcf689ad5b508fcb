#include "backends/vulkan/memory.h"

#include <algorithm>

#include "engine/error.h"

namespace tapeline::vulkan {
namespace {

constexpr std::size_t kAlignment = 256;  // no device asks for more
constexpr std::size_t kChunk = std::size_t{32} << 20;

std::size_t rounded(std::size_t bytes) {
  return std::max<std::size_t>((bytes + kAlignment - 1) / kAlignment * kAlignment, kAlignment);
}

}  // namespace

Buffer::Buffer(std::shared_ptr<LogicalDevice> device, std::size_t bytes, std::uint32_t memory_type,
               bool mapped)
    : device_(std::move(device)), bytes_(bytes) {
  const VkDevice handle = device_->handle();
  const VkBufferCreateInfo info{.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                .pNext = nullptr,
                                .flags = 0,
                                .size = bytes,
                                .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                         VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT |
                                         VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
                                .queueFamilyIndexCount = 0,
                                .pQueueFamilyIndices = nullptr};
  const std::string what = fmt::format("allocating {} bytes", bytes);
  device_->check(vkCreateBuffer(handle, &info, nullptr, &handle_), what);
  VkMemoryRequirements needs;
  vkGetBufferMemoryRequirements(handle, handle_, &needs);
  const VkMemoryAllocateInfo allocation{.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                        .pNext = nullptr,
                                        .allocationSize = needs.size,
                                        .memoryTypeIndex = memory_type};
  VkResult result = vkAllocateMemory(handle, &allocation, nullptr, &memory_);
  if (result == VK_SUCCESS) result = vkBindBufferMemory(handle, handle_, memory_, 0);
  void* address = nullptr;
  if (result == VK_SUCCESS && mapped) result = vkMapMemory(handle, memory_, 0, VK_WHOLE_SIZE, 0, &address);
  mapped_ = static_cast<std::byte*>(address);
  if (result != VK_SUCCESS) {
    vkDestroyBuffer(handle, handle_, nullptr);
    vkFreeMemory(handle, memory_, nullptr);
  }
  device_->check(result, what);
}

Buffer::~Buffer() {
  if (device_->given_up()) return;  // it may still write there
  vkDestroyBuffer(device_->handle(), handle_, nullptr);
  vkFreeMemory(device_->handle(), memory_, nullptr);
}

MemoryBlock::MemoryBlock(std::shared_ptr<Memory> memory, Place place)
    : memory_(std::move(memory)), place_(place) {
  bytes = place.bytes;
}

MemoryBlock::~MemoryBlock() { memory_->give_back(place_); }

Place place_of(const Storage& storage, std::size_t offset, std::size_t bytes) {
  const Place& block = static_cast<const MemoryBlock&>(*storage.block).place();
  return {block.buffer, block.offset + storage.offset + offset, bytes};
}

Place place_of(const View& view) {
  if (!view || view.bytes() == 0) return {};
  Place place = place_of(*view.storage, view.offset, view.bytes());
  place.bytes = (place.bytes + 3) / 4 * 4;  // shaders see words; blocks end on one
  return place;
}

std::shared_ptr<MemoryBlock> Memory::allocate(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  const std::size_t size = rounded(bytes);
  const auto take = [&](Chunk& chunk) -> std::shared_ptr<MemoryBlock> {
    for (auto range = chunk.free.begin(); range != chunk.free.end(); ++range) {
      const auto [offset, room] = *range;
      if (room < size) continue;
      auto block = std::make_shared<MemoryBlock>(shared_from_this(), Place{chunk.buffer.get(), offset, size});
      chunk.free.erase(range);
      if (room > size) chunk.free.emplace(offset + size, room - size);
      used_ += size;
      return block;
    }
    return nullptr;
  };
  for (Chunk& chunk : chunks_)
    if (auto block = take(chunk)) return block;

  const std::size_t left = device_->free_memory(reserved_);
  if (bytes > left || size > left || size > device_->largest_allocation()) refuse(bytes, left);
  const std::size_t chunk_size = std::max(size, std::min({kChunk, left, device_->largest_allocation()}));
  Chunk chunk;
  try {
    chunk.buffer =
        std::make_unique<Buffer>(device_, chunk_size, device_->tensor_memory(), device_->unified());
  } catch (const Error&) {
    refuse(bytes, left);
  }
  chunk.free.emplace(0, chunk_size);
  chunks_.push_back(std::move(chunk));
  reserved_ += chunk_size;
  return take(chunks_.back());
}

void Memory::refuse(std::size_t bytes, std::size_t left) const {
  const std::size_t most = device_->largest_allocation();
  throw OutOfMemory(device_->id(), bytes, left, device_->tensor_heap_bytes(),
                    bytes > most ? fmt::format(", more than the {} MiB of one allocation", most >> 20) : "");
}

void Memory::trim() {
  const std::scoped_lock lock(mutex_);
  std::erase_if(chunks_, [this](const Chunk& chunk) {
    const bool unused = chunk.free.size() == 1 && chunk.free.begin()->second == chunk.buffer->bytes();
    if (unused) reserved_ -= chunk.buffer->bytes();
    return unused;
  });
}

void Memory::give_back(const Place& place) {
  const std::scoped_lock lock(mutex_);
  used_ -= place.bytes;
  const auto chunk = std::find_if(chunks_.begin(), chunks_.end(),
                                  [&](const Chunk& c) { return c.buffer.get() == place.buffer; });
  auto& free = chunk->free;
  auto range = free.emplace(place.offset, place.bytes).first;
  if (const auto next = std::next(range); next != free.end() && range->first + range->second == next->first) {
    range->second += next->second;
    free.erase(next);
  }
  if (range != free.begin()) {
    const auto before = std::prev(range);
    if (before->first + before->second == range->first) {
      before->second += range->second;
      free.erase(range);
    }
  }
}

}  // namespace tapeline::vulkan
