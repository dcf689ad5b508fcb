#include "backends/cpu/backend.h"

#include <chrono>
#include <cstring>
#include <fstream>
#include <mutex>

#include "backends/cpu/block_cache.h"
#include "backends/cpu/conv2d_algorithm.h"
#include "backends/cpu/denormals.h"
#include "backends/cpu/dispatch.h"
#include "engine/error.h"

namespace tapeline {
namespace cpu {
namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The highest rate of several rounds, in which every thread does work(thread) and is answered for.
template <typename Work>
double best_rate(ThreadPool& pool, int rounds, Work work) {
  double best = 0;
  std::vector<double> amounts(static_cast<std::size_t>(pool.threads()));
  for (int round = 0; round < rounds; ++round) {
    const double start = seconds();
    pool.parallel_for(pool.threads(), 1,
                      [&](std::int64_t i, std::int64_t) { amounts[static_cast<std::size_t>(i)] = work(i); });
    const double elapsed = seconds() - start;
    double total = 0;
    for (const double amount : amounts) total += amount;
    best = std::max(best, total / elapsed);
  }
  return best;
}

/// Sums a buffer that no cache holds, all threads together.
double measure_bandwidth(ThreadPool& pool, BlockCache& cache) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const auto block = cache.allocate(kBytes);
  auto* words = reinterpret_cast<std::uint64_t*>(block->address);
  const std::size_t share = kBytes / 8 / static_cast<std::size_t>(pool.threads());
  best_rate(pool, 1, [&](std::int64_t i) {
    std::memset(words + static_cast<std::size_t>(i) * share, 0, share * 8);
    return 0.0;
  });
  return best_rate(pool, 2, [&](std::int64_t i) {
    const std::uint64_t* from = words + static_cast<std::size_t>(i) * share;
    std::uint64_t total = 0;
    for (std::size_t k = 0; k < share; ++k) total += from[k];
    volatile std::uint64_t keep = total;
    static_cast<void>(keep);
    return static_cast<double>(share) * 8;
  });
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const auto at = line.find(": "); at != std::string::npos) return line.substr(at + 2);
  return "processor";
}

class CpuBackend : public Backend {
 public:
  CpuBackend(int threads, Precision precision)
      : precision_(precision), pool_(threads), scratch_(pool_.threads()) {
    if (computes(isa_, precision)) return;
    if (precision == Precision::bf16)
      throw Error(
          "the processor has no bf16 products (AVX512_BF16; {} is what runs); choose --precision fp32, "
          "or another --device",
          name_of(isa_));
    throw Error("the processor does not compute in {}; choose --precision fp32{}, or another --device",
                name_of(precision), computes(isa_, Precision::bf16) ? " or bf16" : "");
  }

  DeviceInfo describe() const override {
    std::call_once(measured_, [this] {
      info_.id = "cpu";
      info_.name = fmt::format("{}, {} thread{}, {}{}", processor_name(), pool_.threads(),
                               pool_.threads() == 1 ? "" : "s", name_of(isa_),
                               precision_ == Precision::bf16 ? ", bf16" : "");
      info_.memory = machine_memory();
      if (computes(isa_, Precision::bf16)) info_.precisions.push_back(Precision::bf16);
      info_.peak_flops = 2 * best_rate(pool_, 8, [&](std::int64_t) { return multiply_add(isa_, 2000); });
      info_.peak_bytes = measure_bandwidth(pool_, *cache_);
    });
    return info_;
  }

  std::shared_ptr<Block> allocate(std::size_t bytes) override { return cache_->allocate(bytes); }

  void upload(const Storage& to, std::size_t offset, std::span<const std::byte> from) override {
    if (!from.empty()) std::memcpy(place(to, offset), from.data(), from.size());
    contents_changed(to);
  }

  void download(const Storage& from, std::size_t offset, std::span<std::byte> to) override {
    if (!to.empty()) std::memcpy(to.data(), place(from, offset), to.size());
  }

  void run(const Kernel& kernel) override {
    const FlushDenormals flush;
    Context context{pool_, scratch_};
    cpu::run(isa_, precision_, kernel, context);
    visit_views(
        kernel, [](const View&) {}, [](const View& view) { contents_changed(*view.storage); });
  }

  std::string algorithm(const Kernel& kernel) const override {
    WinogradTile tile;
    if (const auto* k = std::get_if<Conv2dForward>(&kernel)) tile = winograd_tile(k->geometry, precision_);
    if (const auto* k = std::get_if<Conv2dBackwardInput>(&kernel))
      tile = winograd_tile(k->geometry, precision_);
    if (const auto* k = std::get_if<Conv2dBackwardWeight>(&kernel)) tile = winograd_weight_tile(k->geometry);
    return tile ? fmt::format("winograd {}x{}", tile.height, tile.width) : std::string();
  }
  bool fuses_pooling() const override { return true; }

 private:
  static void contents_changed(const Storage& storage) {
    if (CachedBlock* block = cached_block(storage)) block->contents_changed();
  }
  static void* place(const Storage& storage, std::size_t offset) {
    return reinterpret_cast<void*>(storage.block->address + storage.offset + offset);
  }

  const Isa isa_ = choose_isa();
  const Precision precision_;
  mutable ThreadPool pool_;
  Scratch scratch_;
  const std::shared_ptr<BlockCache> cache_ = std::make_shared<BlockCache>();
  mutable std::once_flag measured_;
  mutable DeviceInfo info_;
};

}  // namespace
}  // namespace cpu

std::shared_ptr<Backend> open_cpu(int threads, Precision precision) {
  return std::make_shared<cpu::CpuBackend>(threads, precision);
}

}  // namespace tapeline
