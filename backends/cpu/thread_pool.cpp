// One atomic word, `state_`, holds the generation of the current loop, the number of workers inside it, and
// whether it may still be entered. A worker enters with compare-and-swap, takes chunks until there are none,
// and leaves; the caller closes the loop when it finds no more chunks and waits only for those inside, so a
// worker that sleeps through a short loop costs nothing. Waiting is a short spin, then a futex.

#include "backends/cpu/thread_pool.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <utility>

#include "backends/cpu/denormals.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace tapeline::cpu {
namespace {

constexpr std::uint32_t kOpen = 1, kInsideOne = 2, kInsideMask = 0xffe, kGenerationOne = 0x1000;
constexpr int kSpins = 4000;
constexpr int kMaxThreads = 1024;  // what fits in kInsideMask

thread_local int current_index = 0;
thread_local bool inside_loop = false;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::uint32_t generation(std::uint32_t state) { return state / kGenerationOne; }

/// Waits until ready(value); the value that was.
template <typename Ready>
std::uint32_t wait_for(const std::atomic<std::uint32_t>& word, Ready ready) {
  std::uint32_t value = word.load(std::memory_order_acquire);
  for (int i = 0; i < kSpins && !ready(value); ++i) {
    relax();
    value = word.load(std::memory_order_acquire);
  }
  while (!ready(value)) {
    word.wait(value, std::memory_order_acquire);
    value = word.load(std::memory_order_acquire);
  }
  return value;
}

/// What a control group (version 2, then 1) grants, in processors; 0 where nothing limits.
double granted_processors() {
  std::string quota;
  double period = 0;
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file >> quota >> period && quota != "max" && period > 0)
    return std::atof(quota.c_str()) / period;
  double limit = 0;
  std::ifstream limits("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
      periods("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (limits >> limit && periods >> period && limit > 0 && period > 0) return limit / period;
  return 0;
}

}  // namespace

int usable_processors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
  if (const double granted = granted_processors(); granted > 0)
    count = std::min(count, static_cast<int>(std::ceil(granted)));
  return std::max(count, 1);
}

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = usable_processors();
  threads = std::min(threads, kMaxThreads);
  workers_.reserve(static_cast<std::size_t>(threads - 1));
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  loop_ = {};  // a loop that cannot be called tells the workers to go
  state_.store((generation(state_.load()) + 1) * kGenerationOne | kOpen, std::memory_order_release);
  state_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

int ThreadPool::thread_index() { return current_index; }

void ThreadPool::run(const Loop& loop) {
  if (loop.count <= 0) return;
  if (workers_.empty() || inside_loop || loop.count <= loop.grain) {
    for (std::int64_t begin = 0; begin < loop.count; begin += loop.grain)
      loop.call(loop.context, begin, std::min(begin + loop.grain, loop.count));
    return;
  }
  loop_ = loop;
  failure_ = nullptr;
  next_.store(0, std::memory_order_relaxed);
  const std::uint32_t open =
      (generation(state_.load(std::memory_order_relaxed)) + 1) * kGenerationOne | kOpen;
  state_.store(open, std::memory_order_release);
  state_.notify_all();
  take_chunks();
  const std::uint32_t closed = state_.fetch_and(~kOpen, std::memory_order_acq_rel);
  if (closed & kInsideMask)
    wait_for(finished_, [&](std::uint32_t value) { return value == generation(open); });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::take_chunks() {
  inside_loop = true;
  const Loop loop = loop_;
  try {
    for (;;) {
      const std::int64_t begin = next_.fetch_add(loop.grain, std::memory_order_relaxed);
      if (begin >= loop.count) break;
      loop.call(loop.context, begin, std::min(begin + loop.grain, loop.count));
    }
  } catch (...) {
    next_.store(loop.count, std::memory_order_relaxed);
    const std::scoped_lock lock(failure_mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
  inside_loop = false;
}

void ThreadPool::work(int index) {
  const FlushDenormals flush;
  current_index = index;
  std::uint32_t seen = 0;
  for (;;) {
    std::uint32_t state = wait_for(
        state_, [&](std::uint32_t value) { return (value & kOpen) != 0 && generation(value) != seen; });
    bool entered = false;
    while ((state & kOpen) && !entered)
      entered = state_.compare_exchange_weak(state, state + kInsideOne, std::memory_order_acquire);
    if (!entered) continue;
    seen = generation(state);
    if (!loop_.call) return;
    take_chunks();
    const std::uint32_t left = state_.fetch_sub(kInsideOne, std::memory_order_acq_rel) - kInsideOne;
    if ((left & (kInsideMask | kOpen)) == 0) {
      finished_.store(generation(left), std::memory_order_release);
      finished_.notify_one();
    }
  }
}

}  // namespace tapeline::cpu
