#pragma once

#include <memory>
#include <unordered_map>

#include "engine/backend.h"

namespace tapeline {

/// Any backend, with each kernel run on a second one too and the results compared: the way to find the first
/// kernel that is wrong in a whole training step. Slow, since every operand is copied before and after.
class CheckBackend : public Backend {
 public:
  struct Options {
    double tolerance = 2e-4;  // of f32, times the largest value of the operand; 16-bit types: 64 times that
  };

  /// Values come from `inner`, and are compared with those of `reference`.
  CheckBackend(std::shared_ptr<Backend> inner, std::shared_ptr<Backend> reference, const Options& options)
      : inner_(std::move(inner)), reference_(std::move(reference)), options_(options) {}
  CheckBackend(std::shared_ptr<Backend> inner, std::shared_ptr<Backend> reference)
      : CheckBackend(std::move(inner), std::move(reference), Options{}) {}

  DeviceInfo describe() const override { return inner_->describe(); }
  Precision precision() const override { return inner_->precision(); }
  std::shared_ptr<Block> allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void upload(const Storage& to, std::size_t offset, std::span<const std::byte> from) override {
    inner_->upload(to, offset, from);
  }
  void download(const Storage& from, std::size_t offset, std::span<std::byte> to) override {
    inner_->download(from, offset, to);
  }
  /// Throws Error at the first difference, with the kernel's name and shapes, the operand and the element.
  void run(const Kernel& kernel) override;
  std::string algorithm(const Kernel& kernel) const override { return inner_->algorithm(kernel); }
  void synchronize() override { inner_->synchronize(); }
  bool fuses_pooling() const override { return inner_->fuses_pooling() && reference_->fuses_pooling(); }

  std::int64_t kernels_checked() const { return kernels_checked_; }

 private:
  void compare(const Kernel& kernel, int operand, const View& ours, const View& theirs) const;

  std::shared_ptr<Backend> inner_, reference_;
  Options options_;
  std::int64_t kernels_checked_ = 0;
};

}  // namespace tapeline
