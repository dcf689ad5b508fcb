#pragma once

#include "backends/vulkan/api.h"

namespace tapeline::testing {

/// A function of the Vulkan API, replaced for a while by one of the test's own. A device must be open all
/// that time: opening the first one looks all functions up anew.
template <typename Function>
class Replaced {
 public:
  Replaced(Function& function, Function by) : function_(function), before_(function) { function = by; }
  ~Replaced() { function_ = before_; }
  Replaced(const Replaced&) = delete;
  Replaced& operator=(const Replaced&) = delete;

 private:
  Function& function_;
  Function before_;
};

}  // namespace tapeline::testing
