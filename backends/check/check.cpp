#include "backends/check/check.h"

#include <cmath>
#include <cstring>

#include "backends/profile/profile.h"
#include "engine/error.h"
#include "engine/half.h"

namespace tapeline {

namespace {

std::vector<std::byte> bytes_of(const View& view) {
  std::vector<std::byte> bytes(view.bytes());
  view.storage->backend->download(*view.storage, view.offset, bytes);
  return bytes;
}

double value_at(const std::vector<std::byte>& bytes, DType type, std::size_t i) {
  const auto as = [&]<typename T>(T value) {
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    return value;
  };
  switch (type) {
    case DType::f32:
      return as(0.0f);
    case DType::f64:
      return as(0.0);
    case DType::f16:
      return half_to_float(as(std::uint16_t{0}));
    case DType::bf16:
      return bfloat16_to_float(as(std::uint16_t{0}));
    case DType::i32:
      return as(std::int32_t{0});
    case DType::u8:
      return as(std::uint8_t{0});
  }
  return 0;
}

bool same(double a, double b, double allowed) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::fabs(a - b) <= allowed;
}

/// The same kernel on copies of its operands on another backend. Storages that are shared stay shared.
class Twin {
 public:
  Twin(const Kernel& kernel, const std::shared_ptr<Backend>& backend) : kernel_(kernel), backend_(backend) {
    // The operands of a copy may be changed, though visitors only show them.
    const auto move = [this](const View& view) { const_cast<View&>(view).storage = twin_of(view.storage); };
    const auto pass = [](const View&) {};
    visit_views(kernel_, move, pass);
    visit_views(kernel_, pass, move);
  }
  const Kernel& kernel() const { return kernel_; }

 private:
  std::shared_ptr<Storage> twin_of(const std::shared_ptr<Storage>& storage) {
    if (storage->backend == backend_)
      return storage;  // moved already, as an operand that is read and written
    std::shared_ptr<Storage>& twin = twins_[storage.get()];
    if (!twin) {
      std::vector<std::byte> bytes(storage->bytes);
      storage->backend->download(*storage, 0, bytes);
      twin = std::make_shared<Storage>();
      twin->backend = backend_;
      twin->bytes = storage->bytes;
      twin->block = backend_->allocate(storage->bytes);
      backend_->upload(*twin, 0, bytes);
    }
    return twin;
  }

  Kernel kernel_;
  std::shared_ptr<Backend> backend_;
  std::unordered_map<const Storage*, std::shared_ptr<Storage>> twins_;
};

}  // namespace

void CheckBackend::run(const Kernel& kernel) {
  const Twin twin(kernel, reference_);
  inner_->run(kernel);
  inner_->synchronize();
  reference_->run(twin.kernel());
  reference_->synchronize();

  const auto pass = [](const View&) {};
  std::vector<View> ours, theirs;
  visit_views(kernel, pass, [&](const View& view) { ours.push_back(view); });
  visit_views(twin.kernel(), pass, [&](const View& view) { theirs.push_back(view); });
  for (std::size_t i = 0; i < ours.size(); ++i) compare(kernel, static_cast<int>(i), ours[i], theirs[i]);
  ++kernels_checked_;
}

void CheckBackend::compare(const Kernel& kernel, int operand, const View& ours, const View& theirs) const {
  const std::vector<std::byte> a = bytes_of(ours), b = bytes_of(theirs);
  const auto count = static_cast<std::size_t>(ours.elements());
  double largest = 0;
  for (std::size_t i = 0; i < count; ++i)
    if (const double value = std::fabs(value_at(b, ours.dtype, i)); std::isfinite(value))
      largest = std::max(largest, value);
  const double factor = is_float(ours.dtype) ? (size_of(ours.dtype) == 2 ? 64 : 1) : 0;
  const double allowed = options_.tolerance * factor * largest;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = value_at(a, ours.dtype, i), y = value_at(b, ours.dtype, i);
    if (!same(x, y, allowed))
      throw Error(
          "check: {} {}: output {}, element {} of {}: {} on {}, and {} on {} (allowed is a difference of {})",
          name_of(kernel), describe_operands(kernel), operand, i, ours.shape.text(), x, inner_->describe().id,
          y, reference_->describe().id, allowed);
  }
}

}  // namespace tapeline
