#pragma once

// Small inputs of every kind, made here rather than kept, from which mutations begin.

#include <string>
#include <string_view>
#include <vector>

namespace tapeline {

std::vector<std::string> fuzz_seeds(std::string_view target);

}  // namespace tapeline
