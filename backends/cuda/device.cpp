// Whether there is a card that can be used, and if not, why, in words that tell what to do.

#include "backends/cuda/device.h"

#include <cuda_runtime.h>

#include "backends/cuda/backend.h"
#include "backends/cuda/errors.h"
#include "backends/cuda/kernels.h"
#include "engine/error.h"

namespace tapeline {
namespace {

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

/// NVIDIA's table of what each major version needs on Linux.
std::string least_driver(int runtime) {
  switch (runtime / 1000) {
    case 12:
      return " (525 or later)";
    case 13:
      return " (580 or later)";
  }
  return "";
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  cuda::check(cudaDeviceGetAttribute(&value, which, device), "asking the card for its properties");
  return value;
}

// Additions and multiplications in f32 that a multiprocessor starts in each cycle, by compute capability.
int lanes_of(int major, int minor) {
  if (major == 7 || (major == 8 && minor == 0)) return 64;
  return 128;
}

}  // namespace

int count_cuda_devices() {
  int driver = 0, runtime = 0, count = 0;
  cuda::check(cudaDriverGetVersion(&driver), "asking for the NVIDIA driver's version");
  cuda::check(cudaRuntimeGetVersion(&runtime), "asking for the CUDA runtime's version");
  if (driver == 0)
    throw Error("there is no NVIDIA driver on this machine; install it, or use another device");
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver)
    throw Error(
        "the NVIDIA driver is too old: it knows CUDA {}, this program needs {}; install a newer driver{}",
        version_text(driver), version_text(runtime), least_driver(runtime));
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0))
    throw Error(
        "there is an NVIDIA driver, but no card that it can use; nvidia-smi shows what it sees, and "
        "CUDA_VISIBLE_DEVICES may hide cards");
  cuda::check(error, "looking for NVIDIA GPUs");
  return count;
}

namespace cuda {

Card open_card(int device) {
  const int count = count_cuda_devices();
  if (device < 0 || device >= count)
    throw Error("there is no device cuda:{}: this machine has {}, numbered from cuda:0", device, count);
  check(cudaSetDevice(device), "choosing the card");
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "asking the card for its properties");
  if (const cudaError_t error = find_kernels(); error != cudaSuccess) {
    cudaGetLastError();
    if (error == cudaErrorNoKernelImageForDevice)
      throw Error(
          "{} has compute capability {}.{}, and this program has no kernels for it; build it with "
          "-Dgpu_architectures={}{}",
          properties.name, properties.major, properties.minor, properties.major, properties.minor);
    if (error == cudaErrorUnsupportedPtxVersion)
      throw Error(
          "{} came after the cards that this program was compiled for, and its driver is too old to do that; "
          "install a "
          "newer driver, or build with -Dgpu_architectures={}{}",
          properties.name, properties.major, properties.minor);
    check(error, "looking for the kernels");
  }
  if (attribute(cudaDevAttrMemoryPoolsSupported, device) == 0)
    throw Error("{} has no memory pools, which this program allocates from; use another device",
                properties.name);

  Card card;
  card.device = device;
  card.name = properties.name;
  card.memory = properties.totalGlobalMem;
  card.shared_limit = properties.sharedMemPerBlockOptin;
  card.major = properties.major, card.minor = properties.minor;
  card.multiprocessors = properties.multiProcessorCount;
  card.cooperative = attribute(cudaDevAttrCooperativeLaunch, device) != 0;
  const double clock = 1e3 * attribute(cudaDevAttrClockRate, device);
  const double memory_clock = 1e3 * attribute(cudaDevAttrMemoryClockRate, device);
  card.peak_flops = 2.0 * card.multiprocessors * lanes_of(card.major, card.minor) * clock;
  card.peak_bytes = 2.0 * memory_clock * attribute(cudaDevAttrGlobalMemoryBusWidth, device) / 8;
  return card;
}

}  // namespace cuda
}  // namespace tapeline
