#include "apps/fp32_fallback.h"

#include <fmt/format.h>

namespace tapeline {

void fall_back_to_fp32(Recognizer& recognizer, const std::string& path, const DeviceChoice& choice,
                       Progress& progress) {
  const Device device = recognizer.model().network->device();
  if (device->precision() != Precision::fp16) return;
  recognizer.when_not_finite([&, id = device->describe().id] {
    progress.say(fmt::format(
        "tapeline: in fp16 what {} makes of these pictures is not finite: a factor is beyond 65504; "
        "they are read again, and all others, in fp32. `tapeline verify {} --devices {} --precision "
        "fp16` says which layer it is",
        id, path, id));
    return load_model(path, open_device(id, {.threads = choice.threads}));
  });
}

}  // namespace tapeline
