#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"

namespace tapeline {

/// All calls of one kernel on operands of the same shapes.
struct ProfileEntry {
  std::string kernel, shapes;
  std::int64_t calls = 0;
  double seconds = 0;
  double flops = 0, bytes = 0;  // of all calls together; bytes if every operand is moved once
};

/// Any backend, with each kernel timed: after every one it waits for the device, so the sum is what the
/// kernels take alone, without what a device does at once. Open networks on it as on any other device.
class ProfileBackend : public Backend {
 public:
  explicit ProfileBackend(std::shared_ptr<Backend> inner) : inner_(std::move(inner)) {}

  DeviceInfo describe() const override { return inner_->describe(); }
  Precision precision() const override { return inner_->precision(); }
  std::shared_ptr<Block> allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void upload(const Storage& to, std::size_t offset, std::span<const std::byte> from) override {
    inner_->upload(to, offset, from);
  }
  void download(const Storage& from, std::size_t offset, std::span<std::byte> to) override {
    inner_->download(from, offset, to);
  }
  void run(const Kernel& kernel) override;
  std::string algorithm(const Kernel& kernel) const override { return inner_->algorithm(kernel); }
  void synchronize() override { inner_->synchronize(); }
  bool fuses_pooling() const override { return inner_->fuses_pooling(); }

  /// What ran since the last reset(), the longest first.
  std::vector<ProfileEntry> entries() const;
  void reset() { entries_.clear(); }

 private:
  std::shared_ptr<Backend> inner_;
  std::map<std::pair<std::string, std::string>, ProfileEntry> entries_;
};

/// The least time that the device could need for the work: as long as its arithmetic or its memory takes. 0
/// where the device does not know its peaks.
double roofline_seconds(const DeviceInfo& device, double flops, double bytes);

/// "[64, 60, 180, 1] [3, 3, 1, 64] -> [64, 60, 180, 64]": inputs, then outputs; of many operands, how many
/// and how much.
std::string describe_operands(const Kernel& kernel);

}  // namespace tapeline
