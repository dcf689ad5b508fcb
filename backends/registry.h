#pragma once

#include <string_view>
#include <vector>

#include "engine/backend.h"

namespace tapeline {

struct DeviceOptions {
  int threads = 0;  // of the CPU backend; 0: as many as this process may use
  Precision precision = Precision::fp32;
};

/// What `tapeline devices` shows: every backend that was built or could have been, and why one cannot be
/// used.
struct DeviceEntry {
  DeviceInfo info;
  bool usable = false;
  std::string reason;  // where not usable
};
std::vector<DeviceEntry> list_devices(const DeviceOptions& options = {});

/// Opens "auto" (the fastest that is usable), "cpu", or "reference" (plain loops, to compare with). Throws,
/// listing what there is, on any other name, on a device that cannot be used, and on one that does not
/// compute in the precision ("auto" takes the fastest that does).
std::shared_ptr<Backend> open_device(std::string_view id, const DeviceOptions& options = {});

/// Whether a device hung, and was still at work when it was closed. Its driver's threads then run on, so a
/// program should end by std::_Exit, which takes no library down under them.
bool device_left_at_work();

}  // namespace tapeline
