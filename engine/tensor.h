#pragma once

// A Tensor is a handle: copies share memory and gradient. Operations live in engine/ops, one a file.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/error.h"
#include "engine/storage.h"

namespace tapeline {

using Device = std::shared_ptr<Backend>;

class Node;
class Tensor;
struct Autograd;

class Tensor {
 public:
  /// An undefined tensor: an absent operand.
  Tensor() = default;
  explicit Tensor(View view) : view_(std::move(view)) {}

  /// Uninitialised. While a program is being recorded, the memory is the program's.
  static Tensor empty(const Device& device, Shape shape, DType dtype = DType::f32);
  static Tensor full(const Device& device, Shape shape, double value, DType dtype = DType::f32);
  static Tensor zeros(const Device& device, Shape shape, DType dtype = DType::f32);
  /// Takes shape.elements() values, uploaded at once, also while recording (the program then sees a
  /// constant). T is float, double, int32_t or uint8_t. Throws when the number of values is another.
  template <typename T>
  static Tensor from(const Device& device, Shape shape, std::span<const T> values);
  template <typename T>
  static Tensor from(const Device& device, Shape shape, std::initializer_list<T> values) {
    return from<T>(device, shape, std::span<const T>(values.begin(), values.size()));
  }
  template <typename T>
  static Tensor from(const Device& device, Shape shape, const std::vector<T>& values) {
    return from<T>(device, shape, std::span<const T>(values));
  }

  bool defined() const { return static_cast<bool>(view_); }
  explicit operator bool() const { return defined(); }
  const View& view() const { return view_; }
  const Shape& shape() const { return view_.shape; }
  std::int64_t extent(int axis) const { return view_.shape[axis]; }
  DType dtype() const { return view_.dtype; }
  const Device& device() const { return view_.storage->backend; }
  std::int64_t elements() const { return view_.elements(); }

  /// Copies to the host after waiting for the device. Throws when T is not the element type, or while
  /// recording.
  template <typename T>
  std::vector<T> to_vector() const;
  /// The one value of a tensor with one element, of any type.
  double item() const;
  /// Overwrites the values, in place, outside any recording. Throws on another size or type.
  template <typename T>
  void upload(std::span<const T> values) const;
  template <typename T>
  void upload(const std::vector<T>& values) const {
    upload<T>(std::span<const T>(values));
  }

  bool requires_grad() const;
  /// Marks a leaf whose gradient is wanted. Float tensors only.
  Tensor& set_requires_grad(bool wanted = true);
  /// The gradient gathered by backward(); undefined before. Only leaves have one.
  Tensor grad() const;
  void set_grad(Tensor grad) const;
  /// The same memory, cut off from the tape.
  Tensor detach() const { return Tensor(view_); }
  /// Walks the tape back from this tensor and adds into the gradient of every leaf that wants one. The start
  /// is `grad`, or 1 for a tensor of one element. The tape is used up: a second call throws.
  void backward(const Tensor& grad = {}) const;

  const std::shared_ptr<Autograd>& autograd() const { return autograd_; }

 private:
  friend Tensor attach(View, const std::vector<Tensor>&, std::shared_ptr<Node>);
  View view_;
  std::shared_ptr<Autograd> autograd_;
};

}  // namespace tapeline
