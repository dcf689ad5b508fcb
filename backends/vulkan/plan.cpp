#include "backends/vulkan/plan.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "backends/vulkan/kernels.h"
#include "backends/vulkan/split.h"
#include "engine/error.h"

namespace tapeline::vulkan {

void Plan::add(const Kernel& kernel) {
  const VkPhysicalDeviceLimits& limits = device_.limits();
  if (largest_operand(kernel) > limits.maxStorageBufferRange) {
    const std::vector<Kernel> parts =
        split(kernel, limits.maxStorageBufferRange, limits.minStorageBufferOffsetAlignment);
    for (const Kernel& part : parts) add_whole(part);
    if (!parts.empty()) return;
  }
  add_whole(kernel);
}

void Plan::add_whole(const Kernel& kernel) {
  kernel_ = tapeline::name_of(kernel);
  scratch_used_ = 0;
  try {
    std::visit([this](const auto& k) { plan(k, *this); }, kernel);
  } catch (const std::exception& error) {
    std::string shapes;
    const auto note = [&](const View& view) { shapes += " " + view.shape.text(); };
    const auto pass = [](const View&) {};
    visit_views(kernel, note, pass);
    shapes += " ->";
    visit_views(kernel, pass, note);
    throw Error("{}: kernel {}{}: {}", device_.id(), kernel_, shapes, error.what());
  }
}

bool Plan::lanes_fit(const Place& place, bool fours) const {
  return device_.is_cpu() && device_.physical().shuffle_lanes >= 4 &&
         place.bytes / (fours ? 16 : 4) <= device_.limits().maxTexelBufferElements;
}

Place rows_of(const Place& place, std::size_t row_bytes, const Run& run) {
  if (place.bytes == 0) return place;
  const std::size_t skipped = static_cast<std::size_t>(run.first) * row_bytes;
  return {place.buffer, place.offset + skipped,
          std::min(static_cast<std::size_t>(run.count) * row_bytes, place.bytes - skipped)};
}

std::vector<Run> Plan::runs(std::int64_t rows, std::initializer_list<std::size_t> row_bytes) const {
  const VkPhysicalDeviceLimits& limits = device_.limits();
  const std::size_t alignment = limits.minStorageBufferOffsetAlignment;
  std::size_t most = limits.maxStorageBufferRange, step = 1;
  for (const std::size_t bytes : row_bytes) {
    if (bytes == 0) continue;
    most = std::min<std::size_t>(most, limits.maxStorageBufferRange / bytes);
    step = std::lcm(step, alignment / std::gcd(bytes, alignment));
  }
  const auto count = static_cast<std::int64_t>(most / step * step);
  if (count == 0 || rows <= static_cast<std::int64_t>(most)) return {{0, rows}};
  std::vector<Run> runs;
  for (std::int64_t first = 0; first < rows; first += count)
    runs.push_back({first, std::min(count, rows - first)});
  return runs;
}

Slabs Plan::whole_slabs(Slabs slabs, std::size_t bytes) const {
  const std::size_t alignment = device_.limits().minStorageBufferOffsetAlignment;
  const auto step = static_cast<std::uint32_t>(alignment / std::gcd(bytes, alignment));
  return {slabs.size, (slabs.count + step - 1) / step * step};
}

Place Plan::scratch(std::size_t bytes) {
  bytes = (bytes + 255) / 256 * 256;
  if (scratch_blocks_.empty() || scratch_used_ + bytes > scratch_blocks_.back()->bytes) {
    scratch_blocks_.push_back(memory_->allocate(bytes));
    scratch_used_ = 0;
  }
  const Place& block = static_cast<const MemoryBlock&>(*scratch_blocks_.back()).place();
  const Place place{block.buffer, block.offset + scratch_used_, bytes};
  scratch_used_ += bytes;
  return place;
}

Dispatch& Plan::append(const Shader& shader, std::initializer_list<Operand> operands, const Grid& grid,
                       std::initializer_list<std::uint32_t> constants) {
  const VkPhysicalDeviceLimits& limits = device_.limits();
  Dispatch made;
  for (const Operand& operand : operands) {
    const bool texels = operand.texels != VK_FORMAT_UNDEFINED;
    made.texel_count += texels;
    const std::size_t most = texels ? std::size_t{limits.maxTexelBufferElements} * texel_bytes(operand.texels)
                                    : limits.maxStorageBufferRange;
    const std::size_t alignment =
        texels ? limits.minTexelBufferOffsetAlignment : limits.minStorageBufferOffsetAlignment;
    if (operand.place.bytes > most)
      throw Error("an operand has {} bytes, and this device's kernels reach {}; use a smaller batch or image",
                  operand.place.bytes, most);
    if (operand.place.offset % alignment != 0)
      throw Error("an operand begins at byte {}, and this device takes multiples of {}; copy it first",
                  operand.place.offset, alignment);
  }
  made.shader = &shader;
  made.kernel = kernel_;
  made.operand_count = operands.size();
  std::copy(operands.begin(), operands.end(), made.operands.begin());
  made.constants[0] = grid.local;
  std::copy(constants.begin(), constants.end(), made.constants.begin() + 1);
  made.constant_count = constants.size() + 1;
  made.groups = grid.groups;
  made.subgroup = grid.subgroup;
  dispatches_.push_back(made);
  return dispatches_.back();
}

Grid one_each(std::int64_t count, std::uint32_t local) {
  return {(static_cast<std::uint64_t>(count) + local - 1) / local, local};
}

std::uint32_t narrow(std::int64_t value) {
  if (value < 0 || value > std::numeric_limits<std::uint32_t>::max())
    throw Error("{} elements are more than this backend counts in one operand (2^32); use a smaller batch",
                value);
  return static_cast<std::uint32_t>(value);
}

void require_f32(const View& view) {
  if (view && view.dtype != DType::f32)
    throw Error("operands are {}, and GPUs compute in f32 here: cast them, or choose the device 'cpu'",
                tapeline::name_of(view.dtype));
}

}  // namespace tapeline::vulkan
