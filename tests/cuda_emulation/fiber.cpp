#include "tests/cuda_emulation/fiber.h"

#include <cstdint>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#define CUDA_EMULATION_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CUDA_EMULATION_ASAN 1
#endif
#endif

#if CUDA_EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Saves what the calling convention has a function save, and the stack pointer; loads another's.
asm(R"(
.text
.globl cuda_emulation_switch
.type cuda_emulation_switch, @function
cuda_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_emulation_switch, .-cuda_emulation_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl cuda_emulation_switch
.type cuda_emulation_switch, %function
cuda_emulation_switch:
  stp x19, x20, [sp, #-160]!
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x19, x20, [sp], #160
  ret
.size cuda_emulation_switch, .-cuda_emulation_switch
)");
#else
#error "The CUDA emulation switches stacks on x86-64 and 64-bit ARM only."
#endif
extern "C" void cuda_emulation_switch(void** save, void* load);

namespace cuda_emulation {
namespace {

Fiber* running = nullptr;
void* resumer_stack_pointer = nullptr;
#if CUDA_EMULATION_ASAN
void* resumer_fake_stack = nullptr;
const void* resumer_stack = nullptr;
std::size_t resumer_stack_bytes = 0;
#endif

}  // namespace

Fiber::Fiber(void (*body)()) : body_(body), stack_(new std::byte[kStackBytes]) {
  // The first switch "returns" into enter(), with the stack aligned as after a call.
  const auto top = (reinterpret_cast<std::uintptr_t>(stack_.get()) + kStackBytes) & ~std::uintptr_t{15};
#if defined(__x86_64__)
  auto* words = reinterpret_cast<std::uintptr_t*>(top) - 8;
  for (int i = 0; i < 8; ++i) words[i] = 0;
  words[6] = reinterpret_cast<std::uintptr_t>(&Fiber::enter);
#else
  auto* words = reinterpret_cast<std::uintptr_t*>(top) - 20;
  for (int i = 0; i < 20; ++i) words[i] = 0;
  words[11] = reinterpret_cast<std::uintptr_t>(&Fiber::enter);
#endif
  stack_pointer_ = words;
}

Fiber::~Fiber() {
#if CUDA_EMULATION_ASAN
  // Functions that were given up in the middle have left marks for their variables.
  __asan_unpoison_memory_region(stack_.get(), kStackBytes);
#endif
}

void Fiber::resume() {
  running = this;
#if CUDA_EMULATION_ASAN
  __sanitizer_start_switch_fiber(&resumer_fake_stack, stack_.get(), kStackBytes);
#endif
  cuda_emulation_switch(&resumer_stack_pointer, stack_pointer_);
#if CUDA_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(resumer_fake_stack, nullptr, nullptr);
#endif
  running = nullptr;
}

void Fiber::suspend() {
  Fiber* fiber = running;
#if CUDA_EMULATION_ASAN
  __sanitizer_start_switch_fiber(&fiber->fake_stack_, resumer_stack, resumer_stack_bytes);
#endif
  cuda_emulation_switch(&fiber->stack_pointer_, resumer_stack_pointer);
#if CUDA_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(fiber->fake_stack_, &resumer_stack, &resumer_stack_bytes);
#endif
}

void Fiber::enter() {
#if CUDA_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &resumer_stack, &resumer_stack_bytes);
#endif
  running->body_();
  std::abort();  // a body never returns
}

}  // namespace cuda_emulation
