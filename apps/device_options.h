#pragma once

#include <string>

#include "apps/arguments.h"
#include "backends/registry.h"
#include "engine/tensor.h"

namespace tapeline {

/// --device and --threads.
struct DeviceChoice {
  std::string device = "auto";
  int threads = 0;

  void declare(Arguments& arguments) {
    arguments.option("--device", device, "Where to compute; `tapeline devices` lists them");
    arguments.option("--threads", threads, "Threads, also for reading pictures; 0: as many as cores", 0,
                     1024);
  }
  Device open() const { return open_device(device, {.threads = threads}); }
};

}  // namespace tapeline
