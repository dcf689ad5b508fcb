#pragma once

#include <string>

#include "apps/arguments.h"
#include "backends/registry.h"
#include "engine/tensor.h"

namespace tapeline {

/// --device, --threads and --precision.
struct DeviceChoice {
  std::string device = "auto";
  int threads = 0;
  std::string precision = "fp32";

  void declare(Arguments& arguments) {
    arguments.option("--device", device, "Where to compute; `tapeline devices` lists them");
    arguments.option("--threads", threads, "Threads, also for reading pictures; 0: as many as cores", 0,
                     1024);
    arguments.choice("--precision", precision,
                     "What factors of matrix products are rounded to; all else stays fp32",
                     {"fp32", "tf32", "bf16", "fp16"});
  }
  Device open() const {
    return open_device(device, {.threads = threads, .precision = parse_precision(precision)});
  }
};

}  // namespace tapeline
