#pragma once

// Eager by default, recorded when it counts. submit() gives a kernel to its device at once, or, inside
// record(), to the program: same kernels, same order, same bits.

#include <functional>
#include <memory>
#include <vector>

#include "engine/backend.h"
#include "engine/frozen_weights.h"

namespace tapeline {

/// Kernels for one device with a memory of their own. Tensors made while recording live in the program's
/// arena: those that are still held by anyone when compile() is called keep their place for good (results to
/// be read after replay()); all others share memory by lifetime.
class Program {
 public:
  Program() = default;
  const std::vector<Kernel>& kernels() const { return kernels_; }
  /// Drops work whose results nobody reads, fuses activations and pooling into the kernels before them, lays
  /// out the arena and hands over to the device: the results have the bits of the eager ones. With `weights`,
  /// for inference, the weights are constants from now on: batch norm is folded into them, which changes the
  /// rounding, and what the device makes of them is kept. Throws when called twice, or on an empty program.
  void compile(FrozenWeights* weights = nullptr);
  /// Submits it all. Throws before compile().
  void replay();
  bool compiled() const { return executable_ != nullptr; }
  std::size_t arena_bytes() const { return arena_bytes_; }
  /// What the arena's tensors would take without sharing.
  std::size_t unshared_bytes() const { return unshared_bytes_; }

 private:
  friend Program record(const std::function<void()>&);
  friend void submit(Kernel);
  std::vector<Kernel> kernels_;
  std::unique_ptr<Executable> executable_;
  std::size_t arena_bytes_ = 0, unshared_bytes_ = 0;
};

/// Runs `body` with submission diverted into a program; nothing is computed. Values cannot be read inside.
/// Throws when already recording; whatever `body` throws passes through.
Program record(const std::function<void()>& body);

/// Whether this thread is inside record().
bool recording();

/// Runs the kernel on the device that holds its operands, or records it. Throws when they are on different
/// devices.
void submit(Kernel kernel);

/// Storage on `device`: real, or, while recording, the program's (unless `constant`).
std::shared_ptr<Storage> make_storage(const std::shared_ptr<Backend>& device, std::size_t bytes,
                                      bool constant = false);

}  // namespace tapeline
