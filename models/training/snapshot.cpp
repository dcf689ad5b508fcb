#include "models/training/snapshot.h"

#include "engine/io/finite.h"

namespace tapeline {

namespace {

std::vector<std::byte> values_of(const Tensor& tensor) {
  const View& view = tensor.view();
  std::vector<std::byte> values(view.bytes());
  tensor.device()->download(*view.storage, view.offset, values);
  return values;
}

}  // namespace

Snapshot::Snapshot(std::vector<NamedTensor> tensors) : tensors_(std::move(tensors)) {
  for (const NamedTensor& t : tensors_) values_.push_back(values_of(t.tensor));
}

void Snapshot::restore() const {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const View& view = tensors_[i].tensor.view();
    tensors_[i].tensor.device()->upload(*view.storage, view.offset, values_[i]);
  }
}

bool all_finite(const Tensor& tensor) { return all_finite(values_of(tensor), tensor.dtype()); }

std::string first_not_finite(const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& t : tensors)
    if (!all_finite(t.tensor)) return t.name;
  return "";
}

}  // namespace tapeline
