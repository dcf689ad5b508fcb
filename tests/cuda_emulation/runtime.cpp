// The runtime's calls on host memory. Every allocation is one of its own, so that the address sanitizer knows
// its end, and is full of NaNs, so that a kernel which reads what nobody wrote gives itself away.

#include <cuda_runtime.h>

#include <cstdlib>
#include <new>
#include <vector>

namespace cuda_emulation {

struct Graph {
  std::vector<std::function<void()>> work;
};
struct Stream {
  Graph* capturing = nullptr;
};

Faults faults;

void submit(Stream* stream, std::function<void()> work) {
  if (stream && stream->capturing)
    stream->capturing->work.push_back(std::move(work));
  else
    work();
}

namespace {

constexpr std::size_t kHeader = 64;  // keeps the size, and the alignment
std::size_t allocated = 0;

cudaError_t allocate(void** memory, std::size_t bytes) {
  if (bytes > faults.memory - allocated) return cudaErrorMemoryAllocation;
  auto* block = static_cast<std::byte*>(::operator new (bytes + kHeader, std::align_val_t{kHeader}));
  std::memcpy(block, &bytes, sizeof(bytes));
  std::memset(block + kHeader, 0xFF, bytes);
  allocated += bytes;
  *memory = block + kHeader;
  return cudaSuccess;
}

cudaError_t release(void* memory) {
  if (!memory) return cudaSuccess;
  std::byte* block = static_cast<std::byte*>(memory) - kHeader;
  std::size_t bytes;
  std::memcpy(&bytes, block, sizeof(bytes));
  allocated -= bytes;
  ::operator delete (block, std::align_val_t{kHeader});
  return cudaSuccess;
}

constexpr std::size_t kSharedLimit = 99 << 10;  // as on the smaller cards

}  // namespace

cudaError_t check_launch(const cudaLaunchConfig_t& c) {
  const std::size_t threads = std::size_t{c.blockDim.x} * c.blockDim.y * c.blockDim.z;
  const bool fits = threads > 0 && threads <= 1024 && c.gridDim.x > 0 && c.gridDim.y > 0 && c.gridDim.z > 0 &&
                    c.gridDim.y <= 65535 && c.gridDim.z <= 65535 && c.dynamicSmemBytes <= kSharedLimit;
  return fits ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace cuda_emulation

using cuda_emulation::faults;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNoKernelImageForDevice:
      return "cudaErrorNoKernelImageForDevice";
    case cudaErrorECCUncorrectable:
      return "cudaErrorECCUncorrectable";
    case cudaErrorUnsupportedPtxVersion:
      return "cudaErrorUnsupportedPtxVersion";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
  }
  return "an error that the emulation does not know";
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = faults.devices == cudaSuccess ? 1 : 0;
  return faults.devices;
}
cudaError_t cudaDriverGetVersion(int* version) { return *version = faults.driver, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return cudaErrorInvalidDevice;
  *properties = {};
  std::strcpy(properties->name, "emulated on the processor");
  properties->totalGlobalMem = faults.memory;
  properties->sharedMemPerBlockOptin = cuda_emulation::kSharedLimit;
  properties->major = faults.major, properties->minor = faults.minor;
  properties->multiProcessorCount = 4;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  const char* text = std::getenv("TAPELINE_CUDA_COOPERATIVE");
  const bool cooperative = faults.cooperative && !(text && *text == '0');
  *value = attribute == cudaDevAttrMemoryPoolsSupported ||
           (attribute == cudaDevAttrCooperativeLaunch && cooperative);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) { return *pool = nullptr, cudaSuccess; }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = faults.memory;
  *free = faults.memory - cuda_emulation::allocated;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new cuda_emulation::Stream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) { return delete stream, cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return faults.kernels; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return *event = new int(0), cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return faults.kernels; }

cudaError_t cudaMalloc(void** memory, std::size_t bytes) { return cuda_emulation::allocate(memory, bytes); }
cudaError_t cudaFree(void* memory) { return cuda_emulation::release(memory); }
cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t) {
  return cudaMalloc(memory, bytes);
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t) { return cudaFree(memory); }
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {  // not the card's
  *memory = std::malloc(bytes);
  return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void* memory) { return std::free(memory), cudaSuccess; }
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  cuda_emulation::submit(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  cuda_emulation::submit(stream, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->capturing = new cuda_emulation::Graph;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = std::exchange(stream->capturing, nullptr);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new cuda_emulation::Graph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  for (const auto& work : executable->work) work();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return delete executable, cudaSuccess; }
