#pragma once

// Stands in for the toolkit's header of this name: CUDA's language and the part of its runtime that the
// backend uses, on the processor. Device memory is host memory, a stream does its work at once (or keeps it
// for a graph), and kernels run as grid.h says.

#include <math.h>  // exp and its like for float in the global namespace, as nvcc has them

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>

#include "tests/cuda_emulation/grid.h"

#define TAPELINE_CUDA_EMULATION 1

// Language --------------------------------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// Barriers, votes, shuffles ---------------------------------------------------------------------------------

using CudaEmulationWhere = std::source_location;

inline void __syncthreads(CudaEmulationWhere where = CudaEmulationWhere::current()) {
  cuda_emulation::block_barrier(cuda_emulation::Vote::none, false, where);
}
inline int __syncthreads_or(int p, CudaEmulationWhere where = CudaEmulationWhere::current()) {
  return cuda_emulation::block_barrier(cuda_emulation::Vote::any, p != 0, where);
}
inline int __syncthreads_and(int p, CudaEmulationWhere where = CudaEmulationWhere::current()) {
  return cuda_emulation::block_barrier(cuda_emulation::Vote::all, p != 0, where);
}
inline int __syncthreads_count(int p, CudaEmulationWhere where = CudaEmulationWhere::current()) {
  return cuda_emulation::block_barrier(cuda_emulation::Vote::count, p != 0, where);
}
inline void __syncwarp(unsigned mask = ~0u, CudaEmulationWhere where = CudaEmulationWhere::current()) {
  cuda_emulation::warp_exchange(mask, 0, "__syncwarp", where);
}

namespace cuda_emulation {

template <typename T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <typename T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
/// The value of lane `from`, or one's own where that lies outside the group of `width` lanes.
template <typename T>
T shuffle(unsigned mask, T value, int from, int width, const char* what, const Where& where) {
  const int self = static_cast<int>(lane()), group = self / width * width;
  const LaneValues values = warp_exchange(mask, to_bits(value), what, where);
  const bool inside = from >= group && from < group + width;
  return from_bits<T>(values.bits[inside ? from : self]);
}

}  // namespace cuda_emulation

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              CudaEmulationWhere where = CudaEmulationWhere::current()) {
  const int group = static_cast<int>(cuda_emulation::lane()) / width * width;
  return cuda_emulation::shuffle(mask, value, group + (source & (width - 1)), width, "__shfl_sync", where);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 CudaEmulationWhere where = CudaEmulationWhere::current()) {
  const int from = static_cast<int>(cuda_emulation::lane()) - static_cast<int>(delta);
  return cuda_emulation::shuffle(mask, value, from, width, "__shfl_up_sync", where);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   CudaEmulationWhere where = CudaEmulationWhere::current()) {
  const int from = static_cast<int>(cuda_emulation::lane()) + static_cast<int>(delta);
  return cuda_emulation::shuffle(mask, value, from, width, "__shfl_down_sync", where);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32,
                  CudaEmulationWhere where = CudaEmulationWhere::current()) {
  const int from = static_cast<int>(cuda_emulation::lane()) ^ lanes;
  return cuda_emulation::shuffle(mask, value, from, width, "__shfl_xor_sync", where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              CudaEmulationWhere where = CudaEmulationWhere::current()) {
  const auto values = cuda_emulation::warp_exchange(mask, predicate != 0, "__ballot_sync", where);
  unsigned ballot = 0;
  for (unsigned l = 0; l < 32; ++l) ballot |= static_cast<unsigned>(mask >> l & values.bits[l] & 1) << l;
  return ballot;
}
inline int __any_sync(unsigned mask, int predicate,
                      CudaEmulationWhere where = CudaEmulationWhere::current()) {
  return __ballot_sync(mask, predicate, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      CudaEmulationWhere where = CudaEmulationWhere::current()) {
  return __ballot_sync(mask, predicate, where) == mask;
}
inline void __nanosleep(unsigned, CudaEmulationWhere where = CudaEmulationWhere::current()) {
  cuda_emulation::pause(where);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

// Atomics, loads, arithmetic --------------------------------------------------------------------------------

// One thread runs at a time, and none stops in the middle of these.
template <typename T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, static_cast<T>(*at + value));
}
template <typename T>
T atomicMax(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, *at > value ? *at : value);
}
template <typename T>
T atomicMin(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, *at < value ? *at : value);
}
template <typename T>
T atomicExch(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, value);
}
template <typename T>
T atomicCAS(T* at, std::type_identity_t<T> wanted, std::type_identity_t<T> value) {
  return std::exchange(*at, *at == wanted ? value : *at);
}

template <typename T>
T __ldg(const T* from) {
  return *from;
}
template <typename T>
T __ldcg(const T* from) {
  return *from;
}
template <typename T>
void __stcg(T* to, std::type_identity_t<T> value) {
  *to = value;
}

inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * b) >> 32);
}
template <typename T>
constexpr T min(T a, std::type_identity_t<T> b) {
  return b < a ? b : a;
}
template <typename T>
constexpr T max(T a, std::type_identity_t<T> b) {
  return a < b ? b : a;
}
inline float __uint_as_float(unsigned bits) { return cuda_emulation::from_bits<float>(bits); }
inline unsigned __float_as_uint(float value) {
  return cuda_emulation::from_bits<unsigned>(cuda_emulation::to_bits(value));
}

// Runtime ---------------------------------------------------------------------------------------------------

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorECCUncorrectable = 214,
  cudaErrorUnsupportedPtxVersion = 222,
  cudaErrorIllegalAddress = 700,
};
const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);

namespace cuda_emulation {
struct Stream;
struct Graph;
/// What a test wants to see go wrong: this is the answer of the next calls that can give it.
struct Faults {
  cudaError_t devices = cudaSuccess;  // of cudaGetDeviceCount
  int driver = 13000;                 // of cudaDriverGetVersion; 0: none
  int major = 9, minor = 0;           // compute capability
  bool cooperative = true;            // launches; not where TAPELINE_CUDA_COOPERATIVE=0
  std::size_t memory = std::size_t{8} << 30;
  cudaError_t kernels = cudaSuccess;  // of work that was launched, seen when one waits for it
  cudaError_t image = cudaSuccess;    // of cudaFuncGetAttributes
};
extern Faults faults;
/// Does it at once, or keeps it for the graph that is being captured.
void submit(Stream* stream, std::function<void()> work);
}  // namespace cuda_emulation

using cudaStream_t = cuda_emulation::Stream*;
using cudaGraph_t = cuda_emulation::Graph*;
using cudaGraphExec_t = cuda_emulation::Graph*;
using cudaEvent_t = int*;
using cudaMemPool_t = int*;

struct cudaDeviceProp {
  char name[256];
  std::size_t totalGlobalMem, sharedMemPerBlockOptin;
  int major, minor, multiProcessorCount, ECCEnabled;
};
struct cudaFuncAttributes {
  int binaryVersion;
};

enum cudaDeviceAttr {
  cudaDevAttrClockRate = 13,
  cudaDevAttrMemoryClockRate = 36,
  cudaDevAttrGlobalMemoryBusWidth = 37,
  cudaDevAttrCooperativeLaunch = 95,
  cudaDevAttrMemoryPoolsSupported = 115,
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed = 2 };
inline constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;

cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, std::size_t bytes);
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);
cudaError_t cudaGetLastError();
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream);
cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, std::size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long flags = 0);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);

template <typename Function>
cudaError_t cudaFuncSetAttribute(Function*, cudaFuncAttribute, int) {
  return cudaSuccess;
}
template <typename Function>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, Function*) {
  attributes->binaryVersion = 90;
  return cuda_emulation::faults.image;
}
/// A small device on purpose: kernels that keep all their blocks at work meet more of them than there is room
/// for.
template <typename Function>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function*, int threads, std::size_t) {
  *blocks = threads <= 128 ? 2 : 1;
  return cudaSuccess;
}

enum cudaLaunchAttributeID { cudaLaunchAttributeCooperative = 2 };
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  struct {
    int cooperative;
  } val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

namespace cuda_emulation {
/// What a device refuses: no blocks, more than 1024 threads, more shared memory than a block can have.
cudaError_t check_launch(const cudaLaunchConfig_t& config);
}  // namespace cuda_emulation

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  if (const cudaError_t error = cuda_emulation::check_launch(*config); error != cudaSuccess) return error;
  cuda_emulation::Launch launch{config->gridDim, config->blockDim, config->dynamicSmemBytes, false, {}};
  for (unsigned i = 0; i < config->numAttrs; ++i) launch.cooperative |= config->attrs[i].val.cooperative != 0;
  launch.body = [kernel, ... values = std::remove_cv_t<Parameters>(arguments)] { kernel(values...); };
  cuda_emulation::submit(config->stream, [launch = std::move(launch)] { cuda_emulation::run(launch); });
  return cudaSuccess;
}
