#include "engine/backend.h"

namespace tapeline {

namespace {

class KernelLoop : public Executable {
 public:
  KernelLoop(Backend& backend, std::vector<Kernel> kernels)
      : backend_(backend), kernels_(std::move(kernels)) {}
  void replay() override {
    for (const Kernel& kernel : kernels_) backend_.run(kernel);
  }

 private:
  Backend& backend_;  // kept alive by the kernels' operands
  std::vector<Kernel> kernels_;
};

}  // namespace

std::unique_ptr<Executable> Backend::compile(std::vector<Kernel> kernels) {
  return std::make_unique<KernelLoop>(*this, std::move(kernels));
}

}  // namespace tapeline
