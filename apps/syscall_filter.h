#pragma once

namespace tapeline {

/// Whether allow_only_memory_calls() is there, on this system and processor, and not in a sanitized build.
bool has_syscall_filter();

/// From here on this process may ask the system for memory of its own that is not code, give it back, and
/// end; any other system call ends it at once by SIGSYS. There is no way back. False where the system
/// refuses.
bool allow_only_memory_calls();

}  // namespace tapeline
