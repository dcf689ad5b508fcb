#include "backends/profile/profile.h"

#include <algorithm>
#include <chrono>

#include "engine/error.h"

namespace tapeline {

namespace {

constexpr std::size_t kMostOperands = 12;

std::string shapes_of(const std::vector<const View*>& views) {
  std::string text;
  for (const View* view : views) text += (text.empty() ? "" : " ") + view->shape.text();
  return text;
}

}  // namespace

std::string describe_operands(const Kernel& kernel) {
  std::vector<const View*> in, out;
  std::int64_t elements = 0;
  visit_views(
      kernel, [&](const View& view) { in.push_back(&view); },
      [&](const View& view) {
        out.push_back(&view);
        elements += view.elements();
      });
  if (in.size() + out.size() > kMostOperands)
    return fmt::format("{} operands -> {} of {} elements", in.size(), out.size(), elements);
  return fmt::format("{}{}-> {}", shapes_of(in), in.empty() ? "" : " ", shapes_of(out));
}

void ProfileBackend::run(const Kernel& kernel) {
  using Clock = std::chrono::steady_clock;
  inner_->synchronize();
  const auto start = Clock::now();
  inner_->run(kernel);
  inner_->synchronize();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();

  std::string name(name_of(kernel));
  if (const std::string algorithm = inner_->algorithm(kernel); !algorithm.empty())
    name += fmt::format(" ({})", algorithm);
  const std::pair key{std::move(name), describe_operands(kernel)};
  ProfileEntry& entry = entries_[key];
  entry.kernel = key.first;
  entry.shapes = key.second;
  ++entry.calls;
  entry.seconds += seconds;
  entry.flops += flops_of(kernel);
  entry.bytes += bytes_of(kernel);
}

std::vector<ProfileEntry> ProfileBackend::entries() const {
  std::vector<ProfileEntry> entries;
  for (const auto& [key, entry] : entries_) entries.push_back(entry);
  std::ranges::stable_sort(entries, std::greater(), &ProfileEntry::seconds);
  return entries;
}

double roofline_seconds(const DeviceInfo& device, double flops, double bytes) {
  if (device.peak_flops <= 0 || device.peak_bytes <= 0) return 0;
  return std::max(flops / device.peak_flops, bytes / device.peak_bytes);
}

}  // namespace tapeline
