#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/kernels/kernel.h"
#include "engine/precision.h"
#include "engine/storage.h"

namespace tapeline {

struct DeviceInfo {
  std::string id;          // what --device takes: "cpu", "cuda:0"
  std::string name;        // "AMD EPYC, 2 threads, AVX-512"
  std::size_t memory = 0;  // bytes; 0 where unknown
  double peak_flops = 0;   // measured or stated fp32 operations a second; 0 where unknown
  double peak_bytes = 0;   // bytes a second to and from memory; 0 where unknown
  std::vector<Precision> precisions = {Precision::fp32};  // that it can be opened with
};

/// Kernels with fixed addresses, ready to be run again and again: a CUDA graph, a command buffer, a loop on
/// the CPU.
class Executable {
 public:
  virtual ~Executable() = default;
  /// Submits all kernels in order. What they read (inputs, learning rate, counters) is taken from memory as
  /// it is then.
  virtual void replay() = 0;
};

/// A device. Kernels are run in the order of submission; run() and replay() may return before the work is
/// done, download() and synchronize() do not. One thread at a time may use a backend. All throw Error: out of
/// memory says how much was asked and how much there is; a failed kernel names itself.
class Backend : public std::enable_shared_from_this<Backend> {
 public:
  virtual ~Backend() = default;
  virtual DeviceInfo describe() const = 0;
  /// As it was opened.
  virtual Precision precision() const { return Precision::fp32; }
  /// Uninitialised memory, aligned to at least 64 bytes. Zero bytes are allowed.
  virtual std::shared_ptr<Block> allocate(std::size_t bytes) = 0;
  virtual void upload(const Storage& to, std::size_t offset, std::span<const std::byte> from) = 0;
  virtual void download(const Storage& from, std::size_t offset, std::span<std::byte> to) = 0;
  virtual void run(const Kernel& kernel) = 0;
  /// Which of several algorithms run() takes for this kernel, for profiles: "winograd 4x4"; empty where there
  /// is but one.
  virtual std::string algorithm(const Kernel&) const { return {}; }
  /// Every view in `kernels` has its place by now. The default runs them one after the other.
  virtual std::unique_ptr<Executable> compile(std::vector<Kernel> kernels);
  virtual void synchronize() {}
  /// Whether it takes a BatchNormTraining and a BatchNormBackward that pool.
  virtual bool fuses_pooling() const { return false; }
};

}  // namespace tapeline
