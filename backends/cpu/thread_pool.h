#pragma once

// A pool of threads that split loops. A loop is cut into chunks whose boundaries depend on the loop alone,
// and free threads take the next chunk: whatever a chunk computes is the same with one thread or with many.

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace tapeline::cpu {

/// The processors this process may use: its affinity mask, and its share of a control group if it is less.
/// At least 1.
int usable_processors();

class ThreadPool {
 public:
  /// The caller of parallel_for counts as one of `threads`; 0 means usable_processors().
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(begin, end) for each chunk [i * grain, min((i + 1) * grain, count)), each once, in any order,
  /// and returns when all are done. A call from within a body runs its chunks one after the other. The first
  /// exception that leaves a body is thrown again here, and chunks not begun by then are dropped. grain > 0.
  template <typename Body>
  [[gnu::always_inline]] inline void parallel_for(std::int64_t count, std::int64_t grain, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run({count, grain,
         [](void* context, std::int64_t begin, std::int64_t end) {
           (*static_cast<Plain*>(context))(begin, end);
         },
         const_cast<void*>(static_cast<const void*>(&body))});
  }

  /// Which thread of its pool the caller is: 0 for the one that called parallel_for, else 1 .. threads() - 1.
  static int thread_index();

 private:
  struct Loop {
    std::int64_t count = 0, grain = 1;
    void (*call)(void*, std::int64_t, std::int64_t) = nullptr;
    void* context = nullptr;
  };

  void run(const Loop& loop);
  void take_chunks();
  void work(int index);

  std::vector<std::thread> workers_;
  Loop loop_;
  std::exception_ptr failure_;
  std::mutex failure_mutex_;
  // Each on a cache line of its own.
  alignas(64) std::atomic<std::int64_t> next_{0};
  alignas(64) std::atomic<std::uint32_t> state_{0};     // generation, number of workers inside, open or not
  alignas(64) std::atomic<std::uint32_t> finished_{0};  // generation whose last worker has left
};

}  // namespace tapeline::cpu
