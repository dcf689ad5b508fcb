// A filter is a program for the kernel's own small machine (BPF), run over each call's number and arguments.
// This one: another processor's numbers? kill. mmap of anything but fresh memory, or executable memory? kill.
// One of the few calls that move memory or end the process? allow. (So is waking one's own threads, of which
// there are none: the first exception that is thrown does it.) All else: kill.

#include "apps/syscall_filter.h"

// The sanitizers make calls of their own, which a filter would end.
#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__)) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tapeline {

namespace {

#ifdef __x86_64__
constexpr std::uint32_t kThisProcessor = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kThisProcessor = AUDIT_ARCH_AARCH64;
#endif

class Filter {
 public:
  /// What follows looks at this field of the call: its lower half, where it has two.
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void load_argument(int index) {
    load(offsetof(seccomp_data, args) + sizeof(std::uint64_t) * static_cast<std::size_t>(index));
  }
  void kill_unless_equal(std::uint32_t value) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
    kill();
  }
  void kill_if_any(std::uint32_t bits) {
    add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    kill();
  }
  void kill_unless_any(std::uint32_t bits) {
    add(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0);
    kill();
  }
  void allow_if_equal(std::uint32_t value) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    allow();
  }
  /// The next `count` instructions are for this value alone.
  void skip_unless_equal(std::uint32_t value, std::uint8_t count) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count);
  }
  void allow() { add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW); }
  void kill() { add(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS); }

  bool install() {
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
  }

 private:
  void add(int code, std::uint32_t value, std::uint8_t if_true = 0, std::uint8_t if_false = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), if_true, if_false, value});
  }
  std::vector<sock_filter> code_;
};

}  // namespace

bool has_syscall_filter() { return true; }

bool allow_only_memory_calls() {
  Filter filter;
  filter.load(offsetof(seccomp_data, arch));
  filter.kill_unless_equal(kThisProcessor);
  filter.load(offsetof(seccomp_data, nr));
  for (const int call : {SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_exit_group})
    filter.allow_if_equal(static_cast<std::uint32_t>(call));
  constexpr int kOperation = 1, kProtection = 2, kFlags = 3;
  filter.skip_unless_equal(SYS_futex, 4);
  filter.load_argument(kOperation);
  filter.allow_if_equal(FUTEX_WAKE_PRIVATE);
  filter.kill();
  filter.kill_unless_equal(SYS_mmap);
  filter.load_argument(kProtection);
  filter.kill_if_any(PROT_EXEC);
  filter.load_argument(kFlags);
  filter.kill_unless_any(MAP_ANONYMOUS);
  filter.allow();
  return filter.install();
}

}  // namespace tapeline

#else

namespace tapeline {

bool has_syscall_filter() { return false; }
bool allow_only_memory_calls() { return false; }

}  // namespace tapeline

#endif
