// The kernels that tests/engine has tables for, on the emulated card: with the threads in one order, then in
// two others, which must give the same bits; then with what some cards lack left out.

#include <cuda_runtime.h>

#include "backends/cuda/backend.h"
#include "tests/engine/cpu_kernels.h"

namespace tapeline::cpu_kernels {
namespace {

class InOrder final : public Backend {
 public:
  InOrder(std::shared_ptr<Backend> inner, std::string order)
      : inner_(std::move(inner)), order_(std::move(order)) {}
  DeviceInfo describe() const override { return inner_->describe(); }
  std::shared_ptr<Block> allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void upload(const Storage& to, std::size_t offset, std::span<const std::byte> from) override {
    inner_->upload(to, offset, from);
  }
  void download(const Storage& from, std::size_t offset, std::span<std::byte> to) override {
    inner_->download(from, offset, to);
  }
  void run(const Kernel& kernel) override {
    cuda_emulation::set_order(order_);
    inner_->run(kernel);
    cuda_emulation::set_order("forward");
  }

 private:
  std::shared_ptr<Backend> inner_;
  std::string order_;
};

std::shared_ptr<Backend> open_without(const char* part) {
  setenv(part, "0", 1);
  auto backend = open_cuda();
  unsetenv(part);
  return backend;
}

}  // namespace

const std::vector<OpenBackend>& backends() {
  static const std::vector<OpenBackend> all = [] {
    const auto card = open_cuda();
    std::vector<OpenBackend> open{{"forward", 1, card}};
    for (const char* order : {"reverse", "shuffled:1"})
      open.push_back({order, 2, std::make_shared<InOrder>(card, order)});
    open.push_back({"without cuBLAS", 1, open_without("TAPELINE_CUDA_BLAS")});
    open.push_back({"without cooperative launches", 1, open_without("TAPELINE_CUDA_COOPERATIVE")});
    return open;
  }();
  return all;
}

}  // namespace tapeline::cpu_kernels
