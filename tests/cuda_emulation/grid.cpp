#include "tests/cuda_emulation/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <numeric>
#include <vector>

#include "tests/cuda_emulation/fiber.h"

namespace cuda_emulation {
namespace {

// Turns -----------------------------------------------------------------------------------------------------

class Order {
 public:
  explicit Order(const std::string& text) {
    if (text == "reverse")
      kind_ = Kind::reverse;
    else if (text.starts_with("shuffled:"))
      kind_ = Kind::shuffled, state_ = std::strtoull(text.c_str() + 9, nullptr, 10) * 2 + 1;
    else if (text != "forward")
      throw Mistake(fmt::format("TAPELINE_CUDA_ORDER={}: it is forward, reverse or shuffled:SEED", text));
  }
  void arrange(std::vector<std::uint32_t>& turns) {
    if (kind_ != Kind::shuffled) return;
    for (std::size_t i = turns.size(); i > 1; --i) std::swap(turns[i - 1], turns[draw() % i]);
  }
  std::vector<std::uint32_t> turns(std::size_t count) {
    std::vector<std::uint32_t> turns(count);
    std::iota(turns.begin(), turns.end(), 0u);
    if (kind_ == Kind::reverse) std::reverse(turns.begin(), turns.end());
    arrange(turns);
    return turns;
  }
  bool is_forward() const { return kind_ == Kind::forward; }

 private:
  enum class Kind { forward, reverse, shuffled };
  std::uint32_t draw() {  // Knuth's multiplier; the upper half is random enough for turns
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state_ >> 32);
  }
  Kind kind_ = Kind::forward;
  std::uint64_t state_ = 0;
};

Order& order() {
  static Order chosen([] {
    const char* text = std::getenv("TAPELINE_CUDA_ORDER");
    return std::string(text && *text ? text : "forward");
  }());
  return chosen;
}

// Threads and blocks ----------------------------------------------------------------------------------------

enum class State { fresh, ready, at_block_barrier, at_grid_barrier, at_warp, done };

struct Block;

struct Copy {
  void* to;
  const void* from;
  void make() const {
    if (from)
      std::memcpy(to, from, 16);
    else
      std::memset(to, 0, 16);
  }
};
using CopyGroup = std::vector<Copy>;

struct Thread {
  Block* block = nullptr;
  unsigned number = 0;  // in the block, x fastest
  State state = State::fresh;
  std::unique_ptr<Fiber> fiber;  // while it waits
  Where where;                   // it waits
  bool predicate = false;
  int answer = 0;
  unsigned mask = 0;  // of the warp operation
  const char* what = "";
  std::uint64_t value = 0;
  LaneValues lanes;
  std::deque<CopyGroup> copies;  // on their way; the last group is not ended
};

struct Block {
  uint3 index;
  std::vector<Thread> threads;
  std::unique_ptr<std::byte[]> shared;
  Vote vote = Vote::none;
  unsigned waiting = 0;
};

std::string text(const Where& where) {
  const std::string file = where.file_name();
  return fmt::format("{}:{}", file.substr(file.rfind('/') + 1), where.line());
}

uint3 index_in(unsigned number, const dim3& extents) {
  return {number % extents.x, number / extents.x % extents.y, number / extents.x / extents.y};
}

std::string name(const Thread& thread) {
  const uint3 t = index_in(thread.number, blockDim), b = thread.block->index;
  return fmt::format("thread ({}, {}, {}) of block ({}, {}, {})", t.x, t.y, t.z, b.x, b.y, b.z);
}

// Running ---------------------------------------------------------------------------------------------------

/// Blocks that run at once: one of an ordinary grid, all of a cooperative one.
class Crowd {
 public:
  Crowd(const Launch& launch, std::vector<Block>& blocks) : launch_(launch) {
    for (Block& block : blocks)
      for (Thread& t : block.threads) threads_.push_back(&t);
    left_ = threads_.size();
  }

  void run() {
    turns_ = order().turns(threads_.size());
    const Scope scope(this);
    for (;;) {
      changed_ = ran_ = false;
      for (turn_ = 0; turn_ < turns_.size(); ++turn_) {
        Thread& thread = *threads_[turns_[turn_]];
        if (thread.state == State::fresh)
          begin();
        else if (thread.state == State::ready)
          resume(thread);
      }
      if (left_ == 0) return;
      if (!ran_) throw Mistake(stuck());
      idle_ = changed_ ? 0 : idle_ + 1;
      if (idle_ > kMostIdle) throw Mistake("all threads that are left wait for what none of them will do");
      order().arrange(turns_);
    }
  }

  static Crowd* current;
  Thread* thread = nullptr;  // that runs now

  /// Stops the running thread until someone sets it ready.
  void wait(State state, const Where& where) {
    Thread* self = thread;
    self->state = state;
    self->where = where;
    Fiber::suspend();
  }

  /// Ends the run with `mistake_`. No object that owns memory may be alive in the thread: its stack is given
  /// up.
  [[noreturn]] void give_up() {
    thread->state = State::ready;
    for (;;) Fiber::suspend();
  }

  int block_barrier(Vote vote, bool predicate, const Where& where) {
    Thread* self = thread;
    Block& block = *self->block;
    changed_ = true;
    self->predicate = predicate;
    block.vote = vote;
    if (++block.waiting < block.threads.size()) {
      wait(State::at_block_barrier, where);
      return self->answer;
    }
    self->state = State::at_block_barrier;
    self->where = where;
    int count = 0;
    for (const Thread& other : block.threads) {
      if (other.state != State::at_block_barrier || text(other.where) != text(where) ||
          other.where.column() != where.column()) {
        mistake_ = fmt::format("divergent barrier: {} is at {}, {} at {}", name(*self), text(where),
                               name(other), text(other.where));
        give_up();
      }
      count += other.predicate;
    }
    const int all = static_cast<int>(block.threads.size());
    const int answer = vote == Vote::any ? count > 0 : vote == Vote::all ? count == all : count;
    for (Thread& other : block.threads) other.state = State::ready, other.answer = answer;
    block.waiting = 0;
    return answer;
  }

  void grid_barrier(const Where& where) {
    if (!launch_.cooperative) {
      mistake_ = fmt::format("{}: a grid barrier in a launch that is not cooperative", text(where));
      give_up();
    }
    changed_ = true;
    if (++at_grid_ < threads_.size()) return wait(State::at_grid_barrier, where);
    at_grid_ = 0;
    for (Thread* other : threads_) other->state = State::ready;
  }

  void pause(const Where& where) { wait(State::ready, where); }

  LaneValues warp_exchange(unsigned mask, std::uint64_t value, const char* what, const Where& where) {
    Thread* self = thread;
    changed_ = true;
    if (!(mask >> (self->number % 32) & 1)) {
      mistake_ =
          fmt::format("{} at {}: {} is not in its own mask {:#x}", what, text(where), name(*self), mask);
      give_up();
    }
    self->mask = mask, self->value = value, self->what = what, self->where = where;
    self->state = State::at_warp;
    Block& block = *self->block;
    const unsigned first = self->number / 32 * 32;
    for (unsigned l = 0; l < 32; ++l) {
      if (!(mask >> l & 1)) continue;
      if (first + l >= block.threads.size() || block.threads[first + l].state == State::done) {
        mistake_ = fmt::format("{} at {}: {} waits for lane {}, which is not there", what, text(where),
                               name(*self), l);
        give_up();
      }
      const Thread& other = block.threads[first + l];
      if (other.state != State::at_warp) {
        Fiber::suspend();
        return self->lanes;
      }
      if (other.mask != mask || other.what != what || other.where.line() != where.line()) {
        mistake_ = fmt::format("divergent warp: {} is at {} ({}, mask {:#x}), {} at {} ({}, mask {:#x})",
                               name(*self), text(where), what, mask, name(other), text(other.where),
                               other.what, other.mask);
        give_up();
      }
    }
    LaneValues values{};
    for (unsigned l = 0; l < 32; ++l)
      if (mask >> l & 1) values.bits[l] = block.threads[first + l].value;
    for (unsigned l = 0; l < 32; ++l)
      if (mask >> l & 1) {
        block.threads[first + l].lanes = values;
        block.threads[first + l].state = State::ready;
      }
    return values;
  }

 private:
  static constexpr int kMostIdle = 100000;

  struct Scope {
    explicit Scope(Crowd* crowd) : outer(current) { current = crowd; }
    ~Scope() { current = outer; }
    Crowd* outer;
  };

  // Fibers at the end of work()'s loop.
  static std::vector<std::unique_ptr<Fiber>>& idle_fibers() {
    static std::vector<std::unique_ptr<Fiber>> fibers;
    return fibers;
  }

  static void work() {
    for (;;) {
      current->run_fresh();
      Fiber::suspend();
    }
  }

  // Runs the thread whose turn it is and, as long as nobody has to wait, all fresh ones after it.
  void run_fresh() {
    for (;;) {
      look_as(*threads_[turns_[turn_]]);
      try {
        launch_.body();
      } catch (const std::exception& error) {
        mistake_ = fmt::format("{} throws: {}", name(*thread), error.what());
      }
      if (!mistake_.empty()) give_up();
      thread->state = State::done;
      changed_ = true;
      --left_;
      if (turn_ + 1 >= turns_.size() || threads_[turns_[turn_ + 1]]->state != State::fresh) return;
      ++turn_;
    }
  }

  void look_as(Thread& t) {
    thread = &t;
    threadIdx = index_in(t.number, launch_.block);
    blockIdx = t.block->index;
    ran_ = true;
  }

  void begin() {
    std::unique_ptr<Fiber> fiber;
    if (idle_fibers().empty()) {
      fiber = std::make_unique<Fiber>(work);
    } else {
      fiber = std::move(idle_fibers().back());
      idle_fibers().pop_back();
    }
    fiber->resume();
    settle(std::move(fiber));
  }

  void resume(Thread& t) {
    look_as(t);
    std::unique_ptr<Fiber> fiber = std::move(t.fiber);
    fiber->resume();
    settle(std::move(fiber));
  }

  // The thread that ran last on this fiber keeps it until it is done.
  void settle(std::unique_ptr<Fiber> fiber) {
    const bool done = thread->state == State::done;
    (done ? idle_fibers().emplace_back() : thread->fiber) = std::move(fiber);
    if (!mistake_.empty()) throw Mistake(mistake_);
  }

  std::string stuck() const {
    std::string message = "threads wait for others that have left or wait elsewhere:";
    int shown = 0;
    for (const Thread* t : threads_)
      if (t->state != State::done && ++shown <= 4)
        message += fmt::format(" {} at {};", name(*t), text(t->where));
    const auto gone = std::count_if(threads_.begin(), threads_.end(),
                                    [](const Thread* t) { return t->state == State::done; });
    return fmt::format("divergent barrier: {} {} of {} threads are done", message, gone, threads_.size());
  }

  const Launch& launch_;
  std::vector<Thread*> threads_;
  std::vector<std::uint32_t> turns_;
  std::size_t turn_ = 0, left_ = 0, at_grid_ = 0;
  bool changed_ = false, ran_ = false;
  int idle_ = 0;
  std::string mistake_;
};

Crowd* Crowd::current = nullptr;

Block make_block(const Launch& launch, unsigned number) {
  Block block;
  block.index = index_in(number, launch.grid);
  const std::size_t count = std::size_t{launch.block.x} * launch.block.y * launch.block.z;
  block.threads = std::vector<Thread>(count);
  block.shared.reset(new std::byte[launch.shared_bytes]);
  return block;
}

// As a new block finds it: fresh threads, and NaN in shared memory that nobody has written.
void begin(Block& block, const Launch& launch) {
  std::memset(block.shared.get(), 0xFF, launch.shared_bytes);
  for (unsigned i = 0; i < block.threads.size(); ++i) {
    Thread& thread = block.threads[i];
    thread.block = &block;
    thread.number = i;
    thread.state = State::fresh;
    thread.copies.assign(1, {});
  }
}

}  // namespace

void set_order(const std::string& text) { order() = Order(text); }

void run(const Launch& launch) {
  if (Crowd::current) throw Mistake("a kernel launches a kernel");
  const unsigned blocks = launch.grid.x * launch.grid.y * launch.grid.z;
  gridDim = launch.grid;
  blockDim = launch.block;
  std::vector<Block> together;
  if (launch.cooperative) {
    for (unsigned b = 0; b < blocks; ++b) together.push_back(make_block(launch, b));
    for (Block& block : together) begin(block, launch);
    Crowd(launch, together).run();
    return;
  }
  together.push_back(make_block(launch, 0));
  for (const std::uint32_t b : order().turns(blocks)) {
    together[0].index = index_in(b, launch.grid);
    begin(together[0], launch);
    Crowd(launch, together).run();
  }
}

int block_barrier(Vote vote, bool predicate, const Where& where) {
  return Crowd::current->block_barrier(vote, predicate, where);
}
void grid_barrier(const Where& where) { Crowd::current->grid_barrier(where); }
void pause(const Where& where) { Crowd::current->pause(where); }
LaneValues warp_exchange(unsigned mask, std::uint64_t value, const char* what, const Where& where) {
  return Crowd::current->warp_exchange(mask, value, what, where);
}
void copy_async(void* to, const void* from) {
  if ((reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from)) % 16 != 0)
    throw Mistake("an asynchronous copy is not aligned to 16 bytes");
  const Copy copy{to, from};
  if (order().is_forward())
    copy.make();
  else
    Crowd::current->thread->copies.back().push_back(copy);
}
void end_copies() { Crowd::current->thread->copies.emplace_back(); }
void wait_for_copies(unsigned groups_left) {
  std::deque<CopyGroup>& groups = Crowd::current->thread->copies;
  for (; groups.size() > groups_left + 1; groups.pop_front())
    for (const Copy& copy : groups.front()) copy.make();
}
unsigned lane() { return Crowd::current->thread->number % 32; }
void* dynamic_shared() { return Crowd::current->thread->block->shared.get(); }

}  // namespace cuda_emulation
