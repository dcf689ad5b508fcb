#include "backends/registry.h"

#include "backends/cpu/backend.h"
#include "backends/reference/backend.h"
#include "engine/error.h"

namespace tapeline {
namespace {

std::shared_ptr<Backend> open_cpu_device(const DeviceOptions& options) { return open_cpu(options.threads); }
std::shared_ptr<Backend> open_reference_device(const DeviceOptions&) { return open_reference(); }

struct Candidate {
  const char* id;
  const char* name;
  std::shared_ptr<Backend> (*open)(const DeviceOptions&);  // null: not built
};

// The fastest first: "auto" takes the first that is built.
constexpr Candidate kCandidates[] = {
    {"cuda", "NVIDIA GPUs", nullptr},
    {"vulkan", "GPUs of any make", nullptr},
    {"cpu", "this machine's processor", open_cpu_device},
    {"reference", "plain loops, to compare with", open_reference_device},
};

std::string not_built(const char* id) { return fmt::format("not built: this version has no {} backend", id); }

std::string device_list() {
  std::string text;
  for (const auto& [id, name, open] : kCandidates)
    text += fmt::format("\n  {}: {}", id, open ? name : not_built(id));
  return text;
}

}  // namespace

std::vector<DeviceEntry> list_devices(const DeviceOptions& options) {
  std::vector<DeviceEntry> entries;
  for (const auto& [id, name, open] : kCandidates) {
    DeviceEntry entry{.info = {.id = id, .name = name}, .usable = open != nullptr, .reason = ""};
    if (!open) {
      entry.reason = not_built(id);
    } else {
      try {
        entry.info = open(options)->describe();
      } catch (const Error& error) {
        entry.usable = false;
        entry.reason = error.what();
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::shared_ptr<Backend> open_device(std::string_view id, const DeviceOptions& options) {
  const std::string_view kind = id.substr(0, id.find(':'));  // "cuda:1" is a device of "cuda"
  for (const Candidate& candidate : kCandidates) {
    if (candidate.open && (id == "auto" || id == candidate.id)) return candidate.open(options);
    if (!candidate.open && kind == candidate.id)
      throw Error("device '{}' is {}; choose 'auto' or another of these:{}", id, not_built(candidate.id),
                  device_list());
  }
  throw Error("there is no device '{}'; choose 'auto' or one of these:{}", id, device_list());
}

}  // namespace tapeline
