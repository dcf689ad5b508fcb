#include "backends/reference/backend.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>

#include "backends/reference/kernels.h"
#include "engine/error.h"

namespace tapeline {
namespace reference {

void run(const Kernel& kernel) {
  try {
    std::visit(
        []<typename K>(const K& k) {
          void (*const overload)(const K&) = run;  // exactly this one: K also converts to Kernel
          overload(k);
        },
        kernel);
  } catch (const std::exception& error) {
    throw Error("kernel {} on the host: {}", name_of(kernel), error.what());
  }
}

}  // namespace reference

namespace {

constexpr std::align_val_t kAlignment{64};

class HostBlock final : public Block {
 public:
  explicit HostBlock(std::size_t size) : memory_(::operator new(size, kAlignment)) {
    address = reinterpret_cast<std::uintptr_t>(memory_);
    bytes = size;
    std::memset(memory_, 0xFF, size);  // NaN in every float type
  }
  ~HostBlock() override { ::operator delete(memory_, kAlignment); }
  HostBlock(const HostBlock&) = delete;
  HostBlock& operator=(const HostBlock&) = delete;

 private:
  void* memory_;
};

std::size_t machine_memory() {
  return static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::byte* host_pointer(const Storage& storage, std::size_t offset) {
  return reinterpret_cast<std::byte*>(storage.block->address + storage.offset + offset);
}

class ReferenceBackend final : public Backend {
 public:
  DeviceInfo describe() const override {
    return {.id = "reference", .name = "plain loops on one thread", .memory = machine_memory()};
  }
  std::shared_ptr<Block> allocate(std::size_t bytes) override {
    try {
      if (bytes > machine_memory()) throw std::bad_alloc();
      return std::make_shared<HostBlock>(bytes);
    } catch (const std::bad_alloc&) {
      throw OutOfMemory("reference", bytes, 0, machine_memory());
    }
  }
  void upload(const Storage& to, std::size_t offset, std::span<const std::byte> from) override {
    std::copy(from.begin(), from.end(), host_pointer(to, offset));
  }
  void download(const Storage& from, std::size_t offset, std::span<std::byte> to) override {
    std::copy_n(host_pointer(from, offset), to.size(), to.begin());
  }
  void run(const Kernel& kernel) override { reference::run(kernel); }
  bool fuses_pooling() const override { return true; }
};

}  // namespace

std::shared_ptr<Backend> open_reference() { return std::make_shared<ReferenceBackend>(); }

}  // namespace tapeline
