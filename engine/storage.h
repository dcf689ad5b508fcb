#pragma once

// Where tensors live. A Block is one allocation of a backend; a Storage is a range of one, or, while a
// program is being recorded, a range that has a size but no place yet; a View is a typed, shaped look at a
// Storage.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/dtype.h"
#include "engine/shape.h"

namespace tapeline {

class Backend;

/// One allocation. Freed by its destructor.
class Block {
 public:
  virtual ~Block() = default;
  /// Address of the first byte, in the backend's own terms: a pointer on CPU and CUDA, 0 where addresses mean
  /// nothing.
  std::uint64_t address = 0;
  std::size_t bytes = 0;
};

struct Storage {
  std::shared_ptr<Backend> backend;  // keeps the device open as long as anything lives on it
  std::size_t bytes = 0;
  std::shared_ptr<Block> block;  // null: belongs to a program that has not been compiled
  std::size_t offset = 0;        // within the block
};

/// A contiguous tensor in device memory, as kernels see it. A default-made one is absent (an optional
/// operand).
struct View {
  std::shared_ptr<Storage> storage;
  std::size_t offset = 0;  // bytes from the beginning of the storage
  DType dtype = DType::f32;
  Shape shape;

  explicit operator bool() const { return storage != nullptr; }
  std::int64_t elements() const { return shape.elements(); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * size_of(dtype); }

  /// Host pointer; only for backends whose addresses are host pointers.
  template <typename T>
  T* data() const {
    return reinterpret_cast<T*>(storage->block->address + storage->offset + offset);
  }
};

}  // namespace tapeline
