#include "engine/tensor.h"

#include "engine/autograd.h"
#include "engine/program.h"

namespace tapeline {

namespace {

View make_view(const Device& device, const Shape& shape, DType dtype, bool constant) {
  View view;
  view.dtype = dtype;
  view.shape = shape;
  view.storage = make_storage(device, view.bytes(), constant);
  return view;
}

void require_values(const View& view, DType wanted, const char* what) {
  if (!view) throw Error("{}: the tensor is undefined", what);
  if (view.dtype != wanted)
    throw Error("{}: the tensor {} is {}, not {}", what, view.shape.text(), name_of(view.dtype),
                name_of(wanted));
  if (!view.storage->block)
    throw Error(
        "{}: tensor {} belongs to a program that has not been compiled; read it after compile() and replay()",
        what, view.shape.text());
  if (recording()) throw Error("{}: values cannot be moved while a program is being recorded", what);
}

template <typename T>
std::vector<T> download(const View& view) {
  std::vector<T> values(static_cast<std::size_t>(view.elements()));
  view.storage->backend->download(*view.storage, view.offset, std::as_writable_bytes(std::span(values)));
  return values;
}

}  // namespace

Tensor Tensor::empty(const Device& device, Shape shape, DType dtype) {
  return Tensor(make_view(device, shape, dtype, false));
}

Tensor Tensor::full(const Device& device, Shape shape, double value, DType dtype) {
  Tensor tensor = empty(device, shape, dtype);
  submit(Fill{tensor.view(), value});
  return tensor;
}

Tensor Tensor::zeros(const Device& device, Shape shape, DType dtype) { return full(device, shape, 0, dtype); }

template <typename T>
Tensor Tensor::from(const Device& device, Shape shape, std::span<const T> values) {
  if (static_cast<std::int64_t>(values.size()) != shape.elements())
    throw Error("tensor: {} values do not fill the shape {}", values.size(), shape.text());
  const View view = make_view(device, shape, DTypeOf<T>::value, true);
  device->upload(*view.storage, 0, std::as_bytes(values));
  return Tensor(view);
}

template <typename T>
std::vector<T> Tensor::to_vector() const {
  require_values(view_, DTypeOf<T>::value, "to_vector");
  return download<T>(view_);
}

double Tensor::item() const {
  require_values(view_, view_.dtype, "item");
  if (elements() != 1)
    throw Error("item: the tensor {} has {} elements, not one", shape().text(), elements());
  switch (dtype()) {
    case DType::f32:
      return download<float>(view_)[0];
    case DType::f64:
      return download<double>(view_)[0];
    case DType::i32:
      return download<std::int32_t>(view_)[0];
    case DType::u8:
      return download<std::uint8_t>(view_)[0];
    default:
      throw Error("item: a {} tensor cannot be read directly; cast it to f32 first", name_of(dtype()));
  }
}

template <typename T>
void Tensor::upload(std::span<const T> values) const {
  require_values(view_, DTypeOf<T>::value, "upload");
  if (static_cast<std::int64_t>(values.size()) != elements())
    throw Error("upload: {} values do not fill the shape {}", values.size(), shape().text());
  device()->upload(*view_.storage, view_.offset, std::as_bytes(values));
}

#define TAPELINE_INSTANTIATE(T)                                           \
  template Tensor Tensor::from(const Device&, Shape, std::span<const T>); \
  template std::vector<T> Tensor::to_vector() const;                      \
  template void Tensor::upload(std::span<const T>) const;
TAPELINE_INSTANTIATE(float)
TAPELINE_INSTANTIATE(double)
TAPELINE_INSTANTIATE(std::int32_t)
TAPELINE_INSTANTIATE(std::uint8_t)
#undef TAPELINE_INSTANTIATE

}  // namespace tapeline
