#pragma once

// A fiber: a function with a stack of its own, which can stop in the middle and be taken up again. Switching
// is a few instructions; the address sanitizer is told of it, so that it knows which stack is in use.

#include <cstddef>
#include <memory>

namespace cuda_emulation {

class Fiber {
 public:
  /// `body` never returns: it suspends itself for good when there is nothing left to do.
  explicit Fiber(void (*body)());
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Runs it until it suspends itself. Not from inside a fiber.
  void resume();
  /// Goes back to where the fiber that is running was resumed.
  static void suspend();

 private:
  static void enter();

  static constexpr std::size_t kStackBytes = std::size_t{128} << 10;
  void (*body_)();
  std::unique_ptr<std::byte[]> stack_;
  void* stack_pointer_ = nullptr;
  void* fake_stack_ = nullptr;
};

}  // namespace cuda_emulation
