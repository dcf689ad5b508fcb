#include "engine/kernels/kernel.h"

namespace tapeline {

Kernel::Kernel(const Kernel&) = default;
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(const Kernel&) = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;
Kernel::~Kernel() = default;

std::string_view name_of(const Kernel& kernel) {
  return std::visit([](const auto& k) { return k.name; }, kernel);
}

double flops_of(const Kernel& kernel) {
  return std::visit([](const auto& k) { return k.flops(); }, kernel);
}

double bytes_of(const Kernel& kernel) {
  double bytes = 0;
  const auto add = [&](const View& view) { bytes += static_cast<double>(view.bytes()); };
  visit_views(kernel, add, add);
  return bytes;
}

}  // namespace tapeline
