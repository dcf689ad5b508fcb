// All parameters of a group in one launch: a block finds its parameter in a table that travels with the
// arguments of the kernel, so that nothing has to be copied to the device first. A group with more parameters
// than the table holds takes several launches.

#include <cmath>

#include "backends/cuda/kernels.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/warp.h"

namespace tapeline::cuda {
namespace {

constexpr int kTable = 64, kChunk = 4 * kThreads;  // parameters in a table; elements of a block

struct Entry {
  float *parameter, *first, *second;
  const float* gradient;
  std::int64_t elements;
};

struct Table {
  Entry entries[kTable];
  unsigned first_block[kTable + 1];
  int count = 0;

  void add(const Entry& entry) {
    entries[count] = entry;
    if (count == 0) first_block[0] = 0;
    first_block[count + 1] = first_block[count] + static_cast<unsigned>(divide_up(entry.elements, kChunk));
    ++count;
  }
  unsigned blocks() const { return count == 0 ? 0 : first_block[count]; }

  /// Calls visit(entry, element) for this block's elements.
  template <typename Visit>
  __device__ void for_each(Visit&& visit) const {
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (first_block[middle] <= blockIdx.x ? low : high) = middle;
    }
    const Entry& entry = entries[low];
    const std::int64_t begin =
        static_cast<std::int64_t>(blockIdx.x - first_block[low]) * kChunk + threadIdx.x;
    for (int i = 0; i < kChunk && begin + i < entry.elements; i += kThreads) visit(entry, begin + i);
  }
};

// Calls start(table) for each table that the lists fill.
template <typename MakeEntry, typename Start>
void for_each_table(std::size_t count, MakeEntry&& make_entry, Start&& start) {
  Table table;
  for (std::size_t k = 0; k < count; ++k) {
    const Entry entry = make_entry(k);
    if (entry.elements > 0) table.add(entry);
    if (table.count == kTable || (k + 1 == count && table.count > 0)) {
      start(table);
      table.count = 0;
    }
  }
}

__global__ void sum_squares(Table table, double* sums) {
  __shared__ double room[32];
  double sum = 0;
  table.for_each([&](const Entry& entry, std::int64_t i) {
    const double g = entry.gradient[i];
    sum += g * g;
  });
  sum = block_sum(sum, room);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void finish_norm(std::int64_t count, const double* sums, float limit, const float* loss_scale,
                            float* norm, float* scale) {
  __shared__ double room[32];
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += sums[i];
  sum = block_sum(sum, room);
  if (threadIdx.x > 0) return;
  const float by = loss_scale ? *loss_scale : 1, root = static_cast<float>(sqrt(sum) / by);
  *norm = root;
  *scale = !isfinite(root) ? 0 : (limit > 0 && root > limit ? limit / root : 1) / by;
}

struct Element {
  float p, g, first, second;
};

struct Sgd {
  float momentum, decay;
  bool nesterov;
  __device__ void operator()(Element& e, const float* hyper) const {
    const float g = e.g + decay * e.p;
    e.first = momentum * e.first + g;
    e.p -= hyper[0] * (nesterov ? g + momentum * e.first : e.first);
  }
};

struct Adam {
  float beta1, beta2, epsilon, decay;
  bool decoupled;
  __device__ void operator()(Element& e, const float* hyper) const {
    float g = e.g;
    if (decoupled)
      e.p *= 1 - hyper[0] * decay;
    else
      g += decay * e.p;
    e.first = beta1 * e.first + (1 - beta1) * g;
    e.second = beta2 * e.second + (1 - beta2) * g * g;
    e.p -= hyper[0] * (e.first / hyper[1]) / (sqrtf(e.second / hyper[2]) + epsilon);
  }
};

struct RmsProp {
  float rho, momentum, epsilon, decay;
  __device__ void operator()(Element& e, const float* hyper) const {
    const float g = e.g + decay * e.p;
    e.second = rho * e.second + (1 - rho) * g * g;
    e.first = momentum * e.first + g / (sqrtf(e.second) + epsilon);
    e.p -= hyper[0] * e.first;
  }
};

struct Adadelta {
  float rho, epsilon, decay;
  __device__ void operator()(Element& e, const float* hyper) const {
    const float g = e.g + decay * e.p;
    e.second = rho * e.second + (1 - rho) * g * g;
    const float step = sqrtf(e.first + epsilon) / sqrtf(e.second + epsilon) * g;
    e.first = rho * e.first + (1 - rho) * step * step;
    e.p -= hyper[0] * step;
  }
};

template <typename Rule>
__global__ void update(Table table, Rule rule, const float* hyper, const float* gradient_scale) {
  const float scale = gradient_scale ? *gradient_scale : 1;
  if (scale == 0) return;
  table.for_each([&](const Entry& entry, std::int64_t i) {
    Element e{entry.parameter[i], scale * entry.gradient[i], entry.first ? entry.first[i] : 0,
              entry.second ? entry.second[i] : 0};
    rule(e, hyper);
    entry.parameter[i] = e.p;
    if (entry.first) entry.first[i] = e.first;
    if (entry.second) entry.second[i] = e.second;
  });
}

template <typename Rule>
void update_all(const OptimizerGroup& group, const Rule& rule, Context& context) {
  for_each_table(
      group.parameters.size(),
      [&](std::size_t k) {
        return Entry{group.parameters[k].data<float>(),
                     group.first.empty() ? nullptr : group.first[k].data<float>(),
                     group.second.empty() ? nullptr : group.second[k].data<float>(),
                     group.gradients[k].data<float>(), group.parameters[k].elements()};
      },
      [&](const Table& table) {
        launch(context, update<Rule>, table.blocks(), kThreads, 0, table, rule, group.hyper.data<float>(),
               group.gradient_scale ? group.gradient_scale.data<float>() : nullptr);
      });
}

}  // namespace

void run(const GlobalNorm& k, Context& context) {
  std::int64_t most = 0, blocks = 0;
  for (const View& g : k.gradients) most += divide_up(g.elements(), kChunk);
  double* sums = context.scratch<double>(most);
  for_each_table(
      k.gradients.size(),
      [&](std::size_t i) {
        return Entry{nullptr, nullptr, nullptr, k.gradients[i].data<float>(), k.gradients[i].elements()};
      },
      [&](const Table& table) {
        launch(context, sum_squares, table.blocks(), kThreads, 0, table, sums + blocks);
        blocks += table.blocks();
      });
  launch(context, finish_norm, 1, kThreads, 0, blocks, sums, k.limit,
         k.loss_scale ? k.loss_scale.data<float>() : nullptr, k.norm.data<float>(), k.scale.data<float>());
}

void run(const SgdStep& k, Context& context) {
  update_all(k.group, Sgd{k.momentum, k.group.weight_decay, k.nesterov}, context);
}
void run(const AdamStep& k, Context& context) {
  update_all(k.group, Adam{k.beta1, k.beta2, k.epsilon, k.group.weight_decay, k.decoupled}, context);
}
void run(const RmsPropStep& k, Context& context) {
  update_all(k.group, RmsProp{k.decay, k.momentum, k.epsilon, k.group.weight_decay}, context);
}
void run(const AdadeltaStep& k, Context& context) {
  update_all(k.group, Adadelta{k.decay, k.epsilon, k.group.weight_decay}, context);
}

}  // namespace tapeline::cuda
