#include "backends/registry.h"

#include <charconv>

#include "backends/cpu/backend.h"
#include "backends/reference/backend.h"
#include "engine/error.h"
#ifdef TAPELINE_CUDA
#include "backends/cuda/backend.h"
#endif
#ifdef TAPELINE_VULKAN
#include "backends/vulkan/backend.h"
#endif

namespace tapeline {
namespace {

using BackendPtr = std::shared_ptr<Backend>;

struct Kind {
  const char* id;
  const char* name;
  /// The devices of this kind; throws the reason where there is none. Null: not built.
  std::vector<DeviceEntry> (*list)(const DeviceOptions&);
  /// Opens "cuda", "cuda:1" and the like.
  BackendPtr (*open)(std::string_view id, const DeviceOptions&);
  /// What "auto" takes; throws where it has to look further.
  BackendPtr (*open_best)(const DeviceOptions&);
};

void expect_no_number(std::string_view id) {
  if (const std::size_t colon = id.find(':'); colon != id.npos)
    throw Error("there is no device '{}': '{}' is one device, without a number", id, id.substr(0, colon));
}

/// For backends that compute in fp32 only.
BackendPtr in_fp32(BackendPtr device, const DeviceOptions& options) {
  if (options.precision == Precision::fp32) return device;
  const DeviceInfo info = device->describe();
  throw Error("{} ({}) does not compute in {}; choose --precision fp32, or another --device", info.id,
              info.name, name_of(options.precision));
}

// The processor, and the plain loops to compare with: one device each.

BackendPtr open_cpu_device(std::string_view id, const DeviceOptions& options) {
  expect_no_number(id);
  return open_cpu(options.threads, options.precision);
}
BackendPtr open_best_cpu(const DeviceOptions& options) {
  return open_cpu(options.threads, options.precision);
}
std::vector<DeviceEntry> list_cpu(const DeviceOptions& options) {
  return {{open_cpu(options.threads)->describe(), true, {}}};
}

BackendPtr open_reference_device(std::string_view id, const DeviceOptions& options) {
  expect_no_number(id);
  return in_fp32(open_reference(), options);
}
BackendPtr open_best_reference(const DeviceOptions& options) { return in_fp32(open_reference(), options); }
std::vector<DeviceEntry> list_reference(const DeviceOptions&) {
  return {{open_reference()->describe(), true, {}}};
}

#ifdef TAPELINE_CUDA
// The number in "cuda:1"; 0 in "cuda".
int number_of(std::string_view id) {
  const std::size_t colon = id.find(':');
  if (colon == id.npos) return 0;
  int number = 0;
  const char *begin = id.data() + colon + 1, *end = id.data() + id.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stop != end || number < 0)
    throw Error("device '{}': after the colon comes the number of a device, as in 'cuda:1'", id);
  return number;
}

BackendPtr open_cuda_device(std::string_view id, const DeviceOptions& options) {
  return open_cuda({number_of(id), options.precision});
}
BackendPtr open_best_cuda(const DeviceOptions& options) { return open_cuda({0, options.precision}); }

std::vector<DeviceEntry> list_cuda(const DeviceOptions&) {
  std::vector<DeviceEntry> entries;
  const int count = count_cuda_devices();
  for (int number = 0; number < count; ++number) {
    try {
      entries.push_back({open_cuda({.device = number})->describe(), true, {}});
    } catch (const Error& error) {
      entries.push_back({{.id = count > 1 ? fmt::format("cuda:{}", number) : "cuda", .name = "NVIDIA GPU"},
                         false,
                         error.what()});
    }
  }
  return entries;
}
constexpr Kind kCuda = {"cuda", "NVIDIA GPUs", list_cuda, open_cuda_device, open_best_cuda};
#else
constexpr Kind kCuda = {"cuda", "NVIDIA GPUs", nullptr, nullptr, nullptr};
#endif

#ifdef TAPELINE_VULKAN
BackendPtr open_vulkan_device(std::string_view id, const DeviceOptions& options) {
  return open_vulkan(id, options.precision);
}

// Where the processor only plays a GPU, "auto" had better take the processor itself.
BackendPtr open_best_vulkan(const DeviceOptions& options) {
  if (!vulkan_may_have_gpu()) throw Error("no GPU on this machine");
  for (const VulkanEntry& entry : list_vulkan())
    if (entry.is_gpu && entry.reason.empty()) return open_vulkan_device(entry.info.id, options);
  throw Error("no GPU that Vulkan can use");
}

std::vector<DeviceEntry> list_vulkan_devices(const DeviceOptions&) {
  std::vector<DeviceEntry> entries;
  for (const VulkanEntry& entry : list_vulkan())
    entries.push_back({entry.info, entry.reason.empty(), entry.reason});
  return entries;
}
constexpr Kind kVulkan = {"vulkan", "GPUs of any make", list_vulkan_devices, open_vulkan_device,
                          open_best_vulkan};
#else
constexpr Kind kVulkan = {"vulkan", "GPUs of any make", nullptr, nullptr, nullptr};
#endif

// The fastest first: "auto" takes the first that can be used.
constexpr Kind kKinds[] = {
    kCuda,
    kVulkan,
    {"cpu", "this machine's processor", list_cpu, open_cpu_device, open_best_cpu},
    {"reference", "plain loops, to compare with", list_reference, open_reference_device, open_best_reference},
};

std::string not_built(const char* id) { return fmt::format("not built: this version has no {} backend", id); }

std::string device_list() {
  std::string text;
  for (const Kind& kind : kKinds)
    text += fmt::format("\n  {}: {}", kind.id, kind.open ? kind.name : not_built(kind.id));
  return text;
}

BackendPtr open_best(const DeviceOptions& options) {
  for (const Kind& kind : kKinds) {
    if (!kind.open_best) continue;
    try {
      return kind.open_best(options);
    } catch (const Error&) {
      if (kind.open_best == open_best_cpu) throw;  // list_devices() says why the others cannot be used
    }
  }
  throw Error("no device can be used:{}", device_list());
}

}  // namespace

std::vector<DeviceEntry> list_devices(const DeviceOptions& options) {
  std::vector<DeviceEntry> entries;
  for (const Kind& kind : kKinds) {
    const auto unusable = [&](std::string reason) {
      entries.push_back({{.id = kind.id, .name = kind.name}, false, std::move(reason)});
    };
    if (!kind.list) {
      unusable(not_built(kind.id));
      continue;
    }
    try {
      for (DeviceEntry& entry : kind.list(options)) entries.push_back(std::move(entry));
    } catch (const Error& error) {
      unusable(error.what());
    }
  }
  return entries;
}

BackendPtr open_device(std::string_view id, const DeviceOptions& options) {
  if (id == "auto") return open_best(options);
  for (const Kind& kind : kKinds) {
    if (id.substr(0, id.find(':')) != kind.id) continue;
    if (!kind.open)
      throw Error("device '{}' is {}; choose 'auto' or another of these:{}", id, not_built(kind.id),
                  device_list());
    return kind.open(id, options);
  }
  throw Error("there is no device '{}'; choose 'auto' or one of these:{}", id, device_list());
}

bool device_left_at_work() {
#ifdef TAPELINE_VULKAN
  return vulkan_left_at_work();
#else
  return false;
#endif
}

}  // namespace tapeline
