#include "engine/passes.h"

#include <algorithm>
#include <unordered_map>

namespace tapeline {

namespace {

bool of_program(const View& view) { return !view.storage->block; }

/// The activation that a kernel applies to what it writes; null for kernels that have none.
struct Producer {
  View* output = nullptr;
  Activation* activation = nullptr;
};

Producer as_producer(Kernel& kernel) {
  if (auto* k = std::get_if<Conv2dForward>(&kernel)) return {&k->output, &k->activation};
  if (auto* k = std::get_if<Gemm>(&kernel)) return {&k->c, &k->activation};
  if (auto* k = std::get_if<BatchNormTraining>(&kernel)) return {&k->output, &k->activation};
  if (auto* k = std::get_if<BatchNormInference>(&kernel)) return {&k->output, &k->activation};
  return {};
}

struct Uses {
  std::size_t first = 0, reads = 0, writes = 0, last_write = 0;
};

std::unordered_map<const Storage*, Uses> count_uses(const std::vector<Kernel>& kernels) {
  std::unordered_map<const Storage*, Uses> uses;
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    const auto at = [&](const View& view) -> Uses& {
      const auto [entry, made] = uses.try_emplace(view.storage.get());
      if (made) entry->second.first = i;
      return entry->second;
    };
    visit_views(
        kernels[i], [&](const View& view) { ++at(view).reads; },
        [&](const View& view) {
          Uses& use = at(view);
          ++use.writes;
          use.last_write = i;
        });
  }
  return uses;
}

}  // namespace

std::unordered_set<const Storage*> find_kept(const std::vector<Kernel>& kernels) {
  // An operand that is read and written is one View visited twice, hence the set of their addresses.
  std::unordered_map<const Storage*, std::unordered_set<const View*>> holders;
  for (const Kernel& kernel : kernels) {
    const auto note = [&](const View& view) {
      if (of_program(view)) holders[view.storage.get()].insert(&view);
    };
    visit_views(kernel, note, note);
  }
  std::unordered_set<const Storage*> kept;
  for (const auto& [storage, views] : holders) {
    const std::shared_ptr<Storage>& owner = (*views.begin())->storage;
    if (static_cast<std::size_t>(owner.use_count()) > views.size()) kept.insert(storage);
  }
  return kept;
}

void drop_dead_work(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept) {
  std::unordered_set<const Storage*> wanted = kept;
  std::vector<Kernel> alive;
  for (auto kernel = kernels.rbegin(); kernel != kernels.rend(); ++kernel) {
    bool needed = false;
    visit_views(
        *kernel, [](const View&) {},
        [&](const View& view) { needed |= !of_program(view) || wanted.contains(view.storage.get()); });
    if (!needed) continue;
    visit_views(
        *kernel, [&](const View& view) { wanted.insert(view.storage.get()); }, [](const View&) {});
    alive.push_back(std::move(*kernel));
  }
  std::reverse(alive.begin(), alive.end());
  kernels = std::move(alive);
}

void fuse_activations(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept) {
  const auto uses = count_uses(kernels);
  std::vector<bool> gone(kernels.size(), false);
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    const auto* activation = std::get_if<ActivationForward>(&kernels[i]);
    if (!activation) continue;
    const Storage* between = activation->input.storage.get();
    const Storage* result = activation->output.storage.get();
    const Uses& use = uses.at(between);
    if (!of_program(activation->input) || kept.contains(between) || between == result || use.reads != 1 ||
        use.writes != 1 || uses.at(result).first != i)
      continue;
    const Producer producer = as_producer(kernels[use.last_write]);
    if (!producer.output || producer.output->storage.get() != between || *producer.activation ||
        producer.output->offset != activation->input.offset ||
        producer.output->bytes() != activation->input.bytes())
      continue;
    *producer.activation = activation->activation;
    producer.output->storage = activation->output.storage;
    producer.output->offset = activation->output.offset;
    gone[i] = true;
  }
  std::size_t index = 0;
  std::erase_if(kernels, [&](const Kernel&) { return gone[index++]; });
}

MemoryPlan plan_memory(const std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept) {
  struct Life {
    Storage* storage;
    std::size_t first, last, bytes;
  };
  std::vector<Life> lives;
  std::unordered_map<const Storage*, std::size_t> index;
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    const auto touch = [&](const View& view) {
      if (!of_program(view)) return;
      const auto [entry, made] = index.try_emplace(view.storage.get(), lives.size());
      constexpr std::size_t kAlign = 256;
      if (made)
        lives.push_back({view.storage.get(), i, i, (view.storage->bytes + kAlign - 1) / kAlign * kAlign});
      lives[entry->second].last = i;
    };
    visit_views(kernels[i], touch, touch);
  }
  MemoryPlan plan;
  for (Life& life : lives) {
    // A kept result has its place from the beginning too: it must outlive one replay and the start of the
    // next.
    if (kept.contains(life.storage)) life.first = 0, life.last = kernels.size();
    plan.unshared_bytes += life.bytes;
  }
  std::stable_sort(lives.begin(), lives.end(),
                   [](const Life& a, const Life& b) { return a.bytes > b.bytes; });
  std::vector<const Life*> placed;  // by offset
  for (const Life& life : lives) {
    std::size_t offset = 0;
    for (const Life* other : placed) {
      if (other->last < life.first || life.last < other->first) continue;
      if (offset + life.bytes <= other->storage->offset) break;
      offset = std::max(offset, other->storage->offset + other->bytes);
    }
    life.storage->offset = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + life.bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [](std::size_t o, const Life* other) { return o < other->storage->offset; }),
        &life);
  }
  return plan;
}

}  // namespace tapeline
