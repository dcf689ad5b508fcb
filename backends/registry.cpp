#include "backends/registry.h"

#include <charconv>
#include <cstdlib>

#include "backends/cpu/backend.h"
#include "backends/cuda/backend.h"
#include "backends/reference/backend.h"
#include "engine/error.h"

namespace tapeline {
namespace {

std::shared_ptr<Backend> open_cpu_device(int, const DeviceOptions& options) {
  return open_cpu(options.threads);
}
std::shared_ptr<Backend> open_reference_device(int, const DeviceOptions&) { return open_reference(); }
int one() { return 1; }

#ifdef TAPELINE_CUDA
std::shared_ptr<Backend> open_cuda_device(int number, const DeviceOptions&) {
  const char* precision = std::getenv("TAPELINE_CUDA_PRECISION");
  return open_cuda(
      {.device = number, .precision = parse_cuda_precision(precision && *precision ? precision : "fp32")});
}
constexpr auto count_cuda = count_cuda_devices;
#else
constexpr std::shared_ptr<Backend> (*open_cuda_device)(int, const DeviceOptions&) = nullptr;
constexpr int (*count_cuda)() = nullptr;
#endif

struct Candidate {
  const char* id;
  const char* name;
  std::shared_ptr<Backend> (*open)(int number, const DeviceOptions&);  // null: not built
  int (*count)();  // of devices; throws where none can be used
};

// The fastest first: "auto" takes the first that can be used.
constexpr Candidate kCandidates[] = {
    {"cuda", "NVIDIA GPUs", open_cuda_device, count_cuda},
    {"vulkan", "GPUs of any make", nullptr, nullptr},
    {"cpu", "this machine's processor", open_cpu_device, one},
    {"reference", "plain loops, to compare with", open_reference_device, one},
};

std::string not_built(const char* id) { return fmt::format("not built: this version has no {} backend", id); }

std::string device_list() {
  std::string text;
  for (const Candidate& c : kCandidates)
    text += fmt::format("\n  {}: {}", c.id, c.open ? c.name : not_built(c.id));
  return text;
}

DeviceEntry unusable(const Candidate& candidate, std::string id, std::string reason) {
  return {{.id = std::move(id), .name = candidate.name}, false, std::move(reason)};
}

// The number in "cuda:1"; 0 in "cuda". Throws on anything else after the colon.
int number_of(std::string_view id) {
  const std::size_t colon = id.find(':');
  if (colon == std::string_view::npos) return 0;
  int number = 0;
  const char *begin = id.data() + colon + 1, *end = id.data() + id.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stop != end || number < 0)
    throw Error("device '{}': after the colon comes the number of a device, as in 'cuda:1'", id);
  return number;
}

}  // namespace

std::vector<DeviceEntry> list_devices(const DeviceOptions& options) {
  std::vector<DeviceEntry> entries;
  for (const Candidate& c : kCandidates) {
    if (!c.open) {
      entries.push_back(unusable(c, c.id, not_built(c.id)));
      continue;
    }
    int count = 0;
    try {
      count = c.count();
    } catch (const Error& error) {
      entries.push_back(unusable(c, c.id, error.what()));
    }
    for (int number = 0; number < count; ++number) {
      try {
        entries.push_back({c.open(number, options)->describe(), true, {}});
      } catch (const Error& error) {
        entries.push_back(unusable(c, count > 1 ? fmt::format("{}:{}", c.id, number) : c.id, error.what()));
      }
    }
  }
  return entries;
}

std::shared_ptr<Backend> open_device(std::string_view id, const DeviceOptions& options) {
  const std::string_view kind = id.substr(0, id.find(':'));  // "cuda:1" is a device of "cuda"
  for (const Candidate& c : kCandidates) {
    if (id == "auto" && c.open) {
      try {
        return c.open(0, options);
      } catch (const Error&) {
        if (c.open == open_cpu_device) throw;  // list_devices() says why the others cannot be used
      }
    }
    if (kind != c.id) continue;
    if (!c.open)
      throw Error("device '{}' is {}; choose 'auto' or another of these:{}", id, not_built(c.id),
                  device_list());
    return c.open(number_of(id), options);
  }
  throw Error("there is no device '{}'; choose 'auto' or one of these:{}", id, device_list());
}

}  // namespace tapeline
