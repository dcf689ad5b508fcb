#include "tests/engine/cpu_kernels.h"

namespace tapeline::cpu_kernels {
namespace {

/// Null where the processor lacks the instruction set.
std::shared_ptr<Backend> open_with(const char* isa, int threads) {
  setenv("TAPELINE_CPU", isa, 1);
  std::shared_ptr<Backend> backend;
  try {
    backend = open_cpu(threads);
  } catch (const Error&) {
  }
  unsetenv("TAPELINE_CPU");
  return backend;
}

}  // namespace

const std::vector<OpenBackend>& backends() {
  static const std::vector<OpenBackend> all = [] {
    std::vector<OpenBackend> open;
    for (const char* isa : {"portable", "avx2", "avx512"})
      for (const int threads : {1, 2, 3})
        if (auto backend = open_with(isa, threads)) open.push_back({isa, threads, std::move(backend)});
    return open;
  }();
  return all;
}

}  // namespace tapeline::cpu_kernels
