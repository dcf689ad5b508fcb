// Tensors lie in memory that the host sees where host and device share it; they are then read and written in
// place while the device rests. Otherwise, and while it works, what is uploaded or downloaded travels through
// a staging buffer, in the order of the kernels around it.

#include "backends/vulkan/backend.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "backends/vulkan/queue.h"
#include "backends/vulkan/tune.h"
#include "engine/counters.h"
#include "engine/error.h"

namespace tapeline {
namespace vulkan {
namespace {

constexpr std::size_t kStagingBytes = std::size_t{4} << 20;

/// A program as command buffers, most often one: nothing is left to do at a replay but to submit them. How
/// many there are follows from how long its dispatches take. The first replay, in which drivers compile, goes
/// kernel by kernel, and the second waits for each dispatch and measures it.
class VulkanProgram final : public Executable {
 public:
  VulkanProgram(std::shared_ptr<Queue> queue, std::vector<Kernel> kernels, Plan plan,
                std::shared_ptr<LogicalDevice> device, std::shared_ptr<Pipelines> pipelines)
      : queue_(std::move(queue)),
        kernels_(std::move(kernels)),
        plan_(std::move(plan)),
        device_(std::move(device)),
        pipelines_(std::move(pipelines)) {
    pipelines_->build(plan_.dispatches());
  }
  // The work may still be under way, and the memory it uses is about to be free.
  ~VulkanProgram() override {
    try {
      queue_->wait();
    } catch (const Error&) {
      // Whoever waits next is told.
    }
  }

  void replay() override {
    switch (replays_) {
      case 0:
        for (const Dispatch& dispatch : plan_.dispatches()) {
          queue_->open().add(dispatch);
          queue_->added();
        }
        break;
      case 1:
        record(measure());
        break;
      default:
        for (const auto& recording : recordings_) queue_->submit(recording);
    }
    ++replays_;
  }

 private:
  /// Seconds of each dispatch.
  std::vector<double> measure() {
    std::vector<double> seconds;
    queue_->wait();
    for (const Dispatch& dispatch : plan_.dispatches()) {
      const auto begin = std::chrono::steady_clock::now();
      queue_->open().add(dispatch);
      queue_->wait();
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return seconds;
  }

  void record(const std::vector<double>& seconds) {
    const double most = longest_submission();
    double together = 0;
    for (std::size_t i = 0; i < seconds.size(); ++i) {
      if (recordings_.empty() || together + seconds[i] > most) {
        if (!recordings_.empty()) recordings_.back()->end();
        recordings_.push_back(std::make_shared<Recording>(device_, pipelines_));
        recordings_.back()->begin();
        together = 0;
      }
      together += seconds[i];
      recordings_.back()->add(plan_.dispatches()[i]);
    }
    if (!recordings_.empty()) recordings_.back()->end();
  }

  std::shared_ptr<Queue> queue_;
  std::vector<Kernel> kernels_;  // hold what the dispatches use
  Plan plan_;
  std::shared_ptr<LogicalDevice> device_;
  std::shared_ptr<Pipelines> pipelines_;
  std::int64_t replays_ = 0;
  std::vector<std::shared_ptr<Recording>> recordings_;
};

DeviceInfo info_of(const PhysicalDevice& device, Precision precision = Precision::fp32) {
  const bool tuned = device.reason.empty() && read_choice(identity_of(device), precision);
  return {.id = device.id,
          .name = device.name + ", " + device.about + (tuned ? ", tuned" : ""),
          .memory = device.memory,
          .precisions = device.precisions()};
}

class VulkanBackend final : public Backend, public CountsWork, public Tunes {
 public:
  explicit VulkanBackend(std::shared_ptr<LogicalDevice> device)
      : device_(std::move(device)),
        variants_(Variants::of(device_->physical(), device_->precision())),
        memory_(std::make_shared<Memory>(device_)),
        pipelines_(std::make_shared<Pipelines>(device_)),
        queue_(std::make_shared<Queue>(device_, pipelines_)),
        staging_(device_, kStagingBytes, device_->staging_memory(), true) {}

  DeviceInfo describe() const override { return info_of(device_->physical(), device_->precision()); }
  Precision precision() const override { return device_->precision(); }

  std::shared_ptr<Block> allocate(std::size_t bytes) override {
    try {
      return memory_->allocate(bytes);
    } catch (const Error&) {
      queue_->wait();
      memory_->trim();
      return memory_->allocate(bytes);
    }
  }

  void upload(const Storage& to, std::size_t offset, std::span<const std::byte> from) override {
    if (from.empty()) return;
    const Place place = place_of(to, offset, from.size());
    if (place.buffer->mapped() && queue_->idle()) {
      std::memcpy(place.buffer->mapped() + place.offset, from.data(), from.size());
      return;
    }
    for_each_piece(place, [&](const Place& piece, std::size_t done) {
      const std::size_t at = reserve(piece.bytes);
      std::memcpy(staging_.mapped() + at, from.data() + done, piece.bytes);
      queue_->open().copy({&staging_, at, piece.bytes}, piece);
    });
  }

  void download(const Storage& from, std::size_t offset, std::span<std::byte> to) override {
    queue_->wait();
    staging_used_ = 0;
    report_messages();
    if (to.empty()) return;
    const Place place = place_of(from, offset, to.size());
    if (const std::byte* mapped = place.buffer->mapped()) {
      std::memcpy(to.data(), mapped + place.offset, to.size());
      return;
    }
    for_each_piece(place, [&](const Place& piece, std::size_t done) {
      queue_->open().copy(piece, {&staging_, 0, piece.bytes});
      queue_->wait();
      std::memcpy(to.data() + done, staging_.mapped(), piece.bytes);
    });
  }

  void run(const Kernel& kernel) override {
    Plan plan(*device_, memory_, variants_);
    plan.add(kernel);
    for (const Dispatch& dispatch : plan.dispatches()) queue_->open().add(dispatch);
    queue_->added();
  }

  std::unique_ptr<Executable> compile(std::vector<Kernel> kernels) override {
    Plan plan(*device_, memory_, variants_);
    for (const Kernel& kernel : kernels) plan.add(kernel);
    return std::make_unique<VulkanProgram>(queue_, std::move(kernels), std::move(plan), device_, pipelines_);
  }

  /// The shaders, where they are called otherwise than the kernel.
  std::string algorithm(const Kernel& kernel) const override {
    Plan plan(*device_, memory_, variants_);
    plan.add(kernel);
    std::vector<std::string_view> names;
    for (const Dispatch& dispatch : plan.dispatches())
      if (std::find(names.begin(), names.end(), dispatch.shader->name) == names.end())
        names.push_back(dispatch.shader->name);
    return names.size() == 1 && names[0] == name_of(kernel) ? "" : fmt::format("{}", fmt::join(names, ", "));
  }

  void synchronize() override {
    queue_->wait();
    staging_used_ = 0;
    report_messages();
  }

  std::vector<TunedKernel> tune() override {
    return vulkan::tune({shared_from_this(), device_, memory_, pipelines_, queue_});
  }

  DeviceCounters counters() const override {
    return {.submissions = queue_->submissions(),
            .waits = queue_->waits(),
            .built = static_cast<std::int64_t>(pipelines_->built())};
  }

 private:
  template <typename Body>
  static void for_each_piece(const Place& place, const Body& body) {
    for (std::size_t done = 0; done < place.bytes; done += kStagingBytes)
      body({place.buffer, place.offset + done, std::min(kStagingBytes, place.bytes - done)}, done);
  }

  // A part of the staging buffer that no copy under way uses.
  std::size_t reserve(std::size_t bytes) {
    if (staging_used_ + bytes > kStagingBytes) {
      queue_->wait();
      staging_used_ = 0;
    }
    return std::exchange(staging_used_, staging_used_ + (bytes + 15) / 16 * 16);
  }

  void report_messages() const {
    const auto messages = device_->instance().take_messages();
    if (!messages.empty())
      throw Error("{}: the validation layer says: {}", device_->id(), fmt::join(messages, "\n"));
  }

  const std::shared_ptr<LogicalDevice> device_;
  const Variants variants_;
  const std::shared_ptr<Memory> memory_;
  const std::shared_ptr<Pipelines> pipelines_;
  const std::shared_ptr<Queue> queue_;
  Buffer staging_;
  std::size_t staging_used_ = 0;
};

constexpr const char* kNoDevice =
    "the Vulkan loader finds no device; install the driver of your GPU, or on Debian mesa-vulkan-drivers";

bool is_gpu(const PhysicalDevice& device) { return device.type != VK_PHYSICAL_DEVICE_TYPE_CPU; }

std::string device_lines(const std::vector<PhysicalDevice>& devices) {
  std::string text;
  for (const PhysicalDevice& device : devices)
    text += fmt::format("\n  {}: {}{}", device.id, device.name,
                        device.reason.empty() ? "" : "; cannot be used: " + device.reason);
  return text;
}

/// By number or a part of the name; the first usable GPU, or device, where `wanted` is empty.
const PhysicalDevice& choose(const std::vector<PhysicalDevice>& devices, std::string_view wanted) {
  if (wanted.empty()) {
    for (const bool any : {false, true})
      for (const PhysicalDevice& device : devices)
        if (device.reason.empty() && (any || is_gpu(device))) return device;
    throw Error("vulkan: no device of this machine can be used:{}", device_lines(devices));
  }
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), index);
  if (error == std::errc() && end == wanted.data() + wanted.size()) {
    if (index < devices.size()) return devices[index];
  } else {
    for (const PhysicalDevice& device : devices)
      if (device.name.find(wanted) != std::string::npos) return device;
  }
  throw Error("there is no device 'vulkan:{}'; choose one of these:{}", wanted, device_lines(devices));
}

}  // namespace
}  // namespace vulkan

bool vulkan_may_have_gpu() {
#ifdef __linux__
  for (const char* variable : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"})
    if (const char* text = std::getenv(variable); text && *text) return true;
  std::error_code error;
  for (const char* node : {"/dev/nvidiactl", "/dev/dxg", "/dev/kgsl-3d0", "/dev/mali0"})
    if (std::filesystem::exists(node, error)) return true;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/dri", error))
    if (entry.path().filename().string().starts_with("renderD")) return true;
  return false;
#else
  return true;
#endif
}

std::vector<VulkanEntry> list_vulkan() {
  std::vector<VulkanEntry> entries;
  const auto instance = vulkan::Instance::open();
  for (const vulkan::PhysicalDevice& device : vulkan::list_devices(*instance))
    entries.push_back({vulkan::info_of(device), vulkan::is_gpu(device), device.reason});
  if (entries.empty()) throw Error("{}", vulkan::kNoDevice);
  return entries;
}

std::shared_ptr<Backend> open_vulkan(std::string_view id, Precision precision) {
  const auto instance = vulkan::Instance::open();
  const auto devices = vulkan::list_devices(*instance);
  const std::size_t colon = id.find(':');
  if (devices.empty()) throw Error("{}", vulkan::kNoDevice);
  const vulkan::PhysicalDevice& chosen =
      vulkan::choose(devices, colon == std::string_view::npos ? "" : id.substr(colon + 1));
  if (!chosen.reason.empty())
    throw Error("device '{}', {}, cannot be used: {}", chosen.id, chosen.name, chosen.reason);
  return std::make_shared<vulkan::VulkanBackend>(
      std::make_shared<vulkan::LogicalDevice>(instance, chosen, precision));
}

bool vulkan_left_at_work() { return vulkan::Queue::any_left_at_work(); }

std::vector<std::string> take_vulkan_messages() { return vulkan::Instance::open()->take_messages(); }

}  // namespace tapeline
