#pragma once

// Everything that reads bytes from outside, each as a function of some bytes. Whatever they are, it returns,
// or throws Error with a message; what is read must also make sense, or std::logic_error is thrown.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tapeline {

struct FuzzTarget {
  const char* name;
  void (*run)(std::string_view bytes);
  /// Where not null: puts right what, wrong in mutated bytes, would end the reading before it has begun.
  void (*repair)(std::span<char> bytes) = nullptr;
};

/// All targets.
std::span<const FuzzTarget> fuzz_targets();
/// Throws std::runtime_error where there is none of this name.
const FuzzTarget& find_fuzz_target(std::string_view name);

/// Runs a target; false where it threw Error. Throws what must not happen.
bool survives(const FuzzTarget& target, std::string_view bytes);

}  // namespace tapeline
