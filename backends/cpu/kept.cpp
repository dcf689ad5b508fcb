#include "backends/cpu/kept.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include "engine/error.h"

namespace tapeline::cpu {
namespace {

constexpr std::size_t kAlignment = 64;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

/// By use, and where the view begins in its storage.
using Memories = std::map<std::pair<KeptFor, std::size_t>, std::unique_ptr<void, Free>>;

}  // namespace

Kept keep(const View& constant, KeptFor use, std::int64_t floats) {
  Storage& storage = *constant.storage;
  if (!storage.constant) return {};
  if (!storage.derived) storage.derived = std::make_shared<Memories>();
  auto& memory = (*std::static_pointer_cast<Memories>(storage.derived))[{use, constant.offset}];
  if (memory) return {static_cast<float*>(memory.get()), false};
  const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
  memory.reset(std::aligned_alloc(kAlignment, (bytes + kAlignment) / kAlignment * kAlignment));
  if (!memory) throw Error("cpu: no memory for {} bytes of packed weights; use a smaller network", bytes);
  return {static_cast<float*>(memory.get()), true};
}

}  // namespace tapeline::cpu
