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

/// What a convolution or a product multiplies with, and what it writes; null for other kernels.
struct Weighted {
  View *weight = nullptr, *bias = nullptr, *output = nullptr;
  Activation* activation = nullptr;
};

Weighted as_weighted(Kernel& kernel) {
  if (auto* k = std::get_if<Conv2dForward>(&kernel))
    return {&k->weight, &k->bias, &k->output, &k->activation};
  auto* k = std::get_if<Gemm>(&kernel);
  if (k && !k->transpose_b && !k->accumulate) return {&k->b, &k->bias, &k->c, &k->activation};
  return {};
}

bool same_place(const View& a, const View& b) {
  return a.storage == b.storage && a.offset == b.offset && a.shape == b.shape;
}

void replace_storage(View& view, const View& by) {
  view.storage = by.storage;
  view.offset = by.offset;
}

View empty_like(const View& view) {
  auto storage = std::make_shared<Storage>();
  storage->backend = view.storage->backend;
  storage->bytes = view.bytes();
  return {storage, 0, view.dtype, view.shape};
}

/// Finds kernels that have what another one reads to themselves, as the list is before any change.
class Pairs {
 public:
  Pairs(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept)
      : kernels_(kernels), kept_(kept), dropped_(kernels.size(), false) {
    for (std::size_t i = 0; i < kernels.size(); ++i)
      visit_views(
          kernels[i], [&](const View& view) { ++at(view, i).reads; },
          [&](const View& view) {
            Uses& use = at(view, i);
            ++use.writes;
            use.last_write = i;
          });
  }

  /// The kernel that writes `input` of kernel i, where that could write `output` of kernel i instead: nobody
  /// else reads the one, nor touches the other before i. Null where there is none.
  Kernel* producer(std::size_t i, const View& input, const View& output) const {
    const Storage *between = input.storage.get(), *result = output.storage.get();
    const Uses& use = uses_.at(between);
    if (!of_program(input) || kept_.contains(between) || between == result || use.reads != 1 ||
        use.writes != 1 || uses_.at(result).first != i)
      return nullptr;
    Kernel& before = kernels_[use.last_write];
    bool whole = false;
    visit_views(
        before, [](const View&) {},
        [&](const View& view) {
          whole |=
              view.storage.get() == between && view.offset == input.offset && view.bytes() == input.bytes();
        });
    return whole ? &before : nullptr;
  }

  /// Whether it is the program's, nobody reads it later, and it is written once and read `reads` times.
  bool between(const View& view, std::size_t reads) const {
    const Uses& use = uses_.at(view.storage.get());
    return of_program(view) && !kept_.contains(view.storage.get()) && use.writes == 1 && use.reads == reads;
  }
  std::size_t first_use(const View& view) const { return uses_.at(view.storage.get()).first; }
  std::size_t last_write(const View& view) const { return uses_.at(view.storage.get()).last_write; }

  bool from_outside(const View& view) const {
    return !of_program(view) && uses_.at(view.storage.get()).writes == 0;
  }

  void drop(std::size_t i) { dropped_[i] = true; }
  void erase_dropped() {
    std::size_t index = 0;
    std::erase_if(kernels_, [&](const Kernel&) { return dropped_[index++]; });
  }

 private:
  struct Uses {
    std::size_t first = 0, reads = 0, writes = 0, last_write = 0;
  };
  Uses& at(const View& view, std::size_t i) {
    const auto [entry, made] = uses_.try_emplace(view.storage.get());
    if (made) entry->second.first = i;
    return entry->second;
  }

  std::vector<Kernel>& kernels_;
  const std::unordered_set<const Storage*>& kept_;
  std::unordered_map<const Storage*, Uses> uses_;
  std::vector<bool> dropped_;
};

/// Operands that may share their memory, by the kernels' own comments: one read, and one written.
using InPlace = std::vector<std::pair<const View*, const View*>>;

InPlace in_place(const Kernel& kernel) {
  if (const auto* k = std::get_if<ActivationForward>(&kernel)) return {{&k->input, &k->output}};
  if (const auto* k = std::get_if<ActivationBackward>(&kernel)) return {{&k->grad_output, &k->grad_input}};
  if (const auto* k = std::get_if<MaskColumns>(&kernel)) return {{&k->input, &k->output}};
  if (const auto* k = std::get_if<BatchNormBackward>(&kernel))
    return {{&k->input, &k->grad_input}, {&k->grad_output, &k->grad_input}};
  return {};
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
  Pairs pairs(kernels, kept);
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    const auto* activation = std::get_if<ActivationForward>(&kernels[i]);
    if (!activation) continue;
    Kernel* before = pairs.producer(i, activation->input, activation->output);
    if (!before) continue;
    const Producer producer = as_producer(*before);
    if (!producer.output || *producer.activation) continue;
    *producer.activation = activation->activation;
    replace_storage(*producer.output, activation->output);
    pairs.drop(i);
  }
  pairs.erase_dropped();
}

void fuse_pooling(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept) {
  Pairs pairs(kernels, kept);
  std::unordered_map<const Storage*, std::size_t> norms, pools,
      pools_back;  // by what they write, or by choice
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    if (const auto* k = std::get_if<BatchNormTraining>(&kernels[i])) norms[k->output.storage.get()] = i;
    if (const auto* k = std::get_if<MaxPool2dForward>(&kernels[i]); k && k->choice)
      pools[k->input.storage.get()] = i;
    if (const auto* k = std::get_if<MaxPool2dBackward>(&kernels[i]))
      pools_back[k->grad_input.storage.get()] = i;
  }
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    auto* back = std::get_if<BatchNormBackward>(&kernels[i]);
    if (!back || back->choice) continue;
    const auto pool_back = pools_back.find(back->grad_output.storage.get());
    if (pool_back == pools_back.end()) continue;
    const auto& up = std::get<MaxPool2dBackward>(kernels[pool_back->second]);
    const std::size_t chosen_by = pairs.last_write(up.choice);
    const auto* pool = std::get_if<MaxPool2dForward>(&kernels[chosen_by]);
    const auto found = pool ? norms.find(pool->input.storage.get()) : norms.end();
    if (found == norms.end()) continue;
    auto& norm = std::get<BatchNormTraining>(kernels[found->second]);

    const bool one_chain = same_place(norm.output, pool->input) && same_place(pool->choice, up.choice) &&
                           same_place(up.grad_input, back->grad_output) &&
                           same_place(norm.input, back->input) && same_place(norm.mean, back->mean) &&
                           same_place(norm.widths, pool->widths) && same_place(norm.widths, back->widths) &&
                           (!back->output || same_place(norm.output, back->output));
    const bool tiles =
        pool->window.stride_h == pool->window.height && pool->window.stride_w == pool->window.width;
    const bool free =
        pairs.between(norm.output, back->output ? 2 : 1) && pairs.between(up.grad_input, 1) &&
        pairs.first_use(pool->output) == chosen_by && pairs.first_use(pool->choice) == chosen_by &&
        pairs.last_write(pool->output) == chosen_by && pairs.last_write(up.grad_output) < pool_back->second;
    if (!one_chain || !tiles || !free) continue;
    norm.output = pool->output;
    norm.choice = back->choice = pool->choice;
    norm.pool = back->pool = pool->window;
    if (back->output) back->output = pool->output;
    back->grad_output = up.grad_output;
    pairs.drop(chosen_by);
    pairs.drop(pool_back->second);
  }
  pairs.erase_dropped();
}

void derive_behind_pooling(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept) {
  Pairs pairs(kernels, kept);
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    const auto* derive = std::get_if<ActivationBackward>(&kernels[i]);
    if (!derive || !pairs.between(derive->grad_output, 1) || pairs.first_use(derive->grad_input) != i)
      continue;
    const std::size_t spread_by = pairs.last_write(derive->grad_output);
    auto* spread = std::get_if<MaxPool2dBackward>(&kernels[spread_by]);
    if (!spread || !same_place(spread->grad_input, derive->grad_output)) continue;
    const std::size_t chosen_by = pairs.last_write(spread->choice);
    const auto* pool = std::get_if<MaxPool2dForward>(&kernels[chosen_by]);
    if (!pool || !same_place(pool->choice, spread->choice) || !same_place(pool->input, derive->output))
      continue;

    const bool untouched = of_program(pool->output) && pairs.first_use(pool->output) == chosen_by &&
                           pairs.last_write(pool->output) == chosen_by &&
                           pairs.last_write(pool->input) < chosen_by;
    if (!pool->window.disjoint() || !untouched) continue;
    const View derived = empty_like(spread->grad_output);
    const MaxPool2dBackward spread_last{spread->choice, derived, derive->grad_input, spread->window};
    kernels[spread_by] = ActivationBackward{pool->output, spread->grad_output, derived, derive->activation};
    kernels[i] = spread_last;
  }
}

void fold_batch_norm(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept,
                     FrozenWeights& weights) {
  Pairs pairs(kernels, kept);
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    const auto* found = std::get_if<BatchNormInference>(&kernels[i]);
    if (!found) continue;
    const BatchNormInference norm = *found;
    Kernel* before = pairs.producer(i, norm.input, norm.output);
    if (!before) continue;
    const Weighted product = as_weighted(*before);
    if (!product.weight || *product.activation || norm.input.dtype != DType::f32) continue;
    const auto fixed = [&](const View& view) { return !view || pairs.from_outside(view); };
    if (!fixed(*product.weight) || !fixed(*product.bias) || !fixed(norm.scale) || !fixed(norm.offset) ||
        !fixed(norm.running_mean) || !fixed(norm.running_variance))
      continue;
    const FrozenWeights::Folded folded = weights.fold(*product.weight, *product.bias, norm);
    *product.weight = folded.weight;
    *product.bias = folded.bias;
    *product.activation = norm.activation;
    replace_storage(*product.output, norm.output);
    if (norm.widths)
      kernels[i] = MaskColumns{norm.output, norm.output, norm.widths};
    else
      pairs.drop(i);
  }
  pairs.erase_dropped();
}

MemoryPlan plan_memory(const std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept) {
  struct Life {
    std::vector<Storage*> storages;  // one after the other in the same place
    std::size_t first, last, bytes;
    std::size_t offset = 0;
  };
  std::vector<Life> lives;
  std::unordered_map<const Storage*, std::size_t> index;
  MemoryPlan plan;
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    const auto touch = [&](const View& view) {
      if (!of_program(view)) return;
      const auto [entry, made] = index.try_emplace(view.storage.get(), lives.size());
      constexpr std::size_t kAlign = 256;
      if (made)
        lives.push_back({{view.storage.get()}, i, i, (view.storage->bytes + kAlign - 1) / kAlign * kAlign});
      lives[entry->second].last = i;
    };
    visit_views(kernels[i], touch, touch);
  }
  for (Life& life : lives) {
    // A kept result has its place from the beginning too: it must outlive one replay and the start of the
    // next.
    if (kept.contains(life.storages[0])) life.first = 0, life.last = kernels.size();
    plan.unshared_bytes += life.bytes;
  }

  const auto whole = [](const View& view) {
    return of_program(view) && view.offset == 0 && view.bytes() == view.storage->bytes;
  };
  for (std::size_t i = 0; i < kernels.size(); ++i)
    for (const auto& [read, written] : in_place(kernels[i])) {
      if (!*read || !*written || !whole(*read) || !whole(*written)) continue;
      Life &before = lives[index.at(read->storage.get())], &after = lives[index.at(written->storage.get())];
      if (before.last != i || after.first != i || before.bytes != after.bytes) continue;
      before.storages.insert(before.storages.end(), after.storages.begin(), after.storages.end());
      before.last = after.last;
      index[written->storage.get()] = index.at(read->storage.get());
      after.storages.clear();
      break;
    }
  std::erase_if(lives, [](const Life& life) { return life.storages.empty(); });

  std::stable_sort(lives.begin(), lives.end(),
                   [](const Life& a, const Life& b) { return a.bytes > b.bytes; });
  std::vector<const Life*> placed;  // by offset
  for (Life& life : lives) {
    for (const Life* other : placed) {
      if (other->last < life.first || life.last < other->first) continue;
      if (life.offset + life.bytes <= other->offset) break;
      life.offset = std::max(life.offset, other->offset + other->bytes);
    }
    for (Storage* storage : life.storages) storage->offset = life.offset;
    plan.arena_bytes = std::max(plan.arena_bytes, life.offset + life.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), life.offset,
                                   [](std::size_t o, const Life* other) { return o < other->offset; }),
                  &life);
  }
  return plan;
}

}  // namespace tapeline
