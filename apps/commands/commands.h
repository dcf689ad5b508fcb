#pragma once

#include <functional>

#include "apps/arguments.h"

namespace tapeline {

// One a file; see Command::define.
std::function<int()> define_synth(Arguments& arguments);
std::function<int()> define_train(Arguments& arguments);
std::function<int()> define_evaluate(Arguments& arguments);
std::function<int()> define_recognize(Arguments& arguments);
std::function<int()> define_inspect(Arguments& arguments);
std::function<int()> define_devices(Arguments& arguments);
std::function<int()> define_bench(Arguments& arguments);
std::function<int()> define_profile(Arguments& arguments);
std::function<int()> define_verify(Arguments& arguments);
std::function<int()> define_warm(Arguments& arguments);

}  // namespace tapeline
