#include "backends/cuda/backend.h"

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "backends/cuda/device.h"
#include "backends/cuda/errors.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/staging.h"
#include "engine/error.h"

namespace tapeline {
namespace cuda {
namespace {

/// All work goes through one stream, in order. Memory comes from the card's pool for that stream, which keeps
/// what is freed: to allocate what was freed before costs about a microsecond, and waits for nothing.
class Stream {
 public:
  explicit Stream(const Card& card) : card_(card) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    check(cudaDeviceGetDefaultMemPool(&pool_, card.device), "asking for the memory pool");
    std::uint64_t keep_all = std::numeric_limits<std::uint64_t>::max();
    check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep_all),
          "setting up the memory pool");
  }
  ~Stream() {
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t get() const { return stream_; }
  const Card& card() const { return card_; }

  void* allocate(std::size_t bytes) {
    void* memory = nullptr;
    cudaError_t error = cudaMallocAsync(&memory, std::max<std::size_t>(bytes, 1), stream_);
    if (error == cudaErrorMemoryAllocation) {  // the pool may keep memory in pieces that are too small
      cudaGetLastError();
      cudaStreamSynchronize(stream_);
      cudaMemPoolTrimTo(pool_, 0);
      error = cudaMallocAsync(&memory, bytes, stream_);
    }
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      std::size_t free = 0, total = 0;
      cudaMemGetInfo(&free, &total);
      throw OutOfMemory(fmt::format("cuda:{} ({})", card_.device, card_.name), bytes, free, total);
    }
    check(error, "allocating memory");
    return memory;
  }
  void free(void* memory) { cudaFreeAsync(memory, stream_); }

 private:
  Card card_;
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
};

class CudaBlock final : public Block {
 public:
  CudaBlock(std::shared_ptr<Stream> stream, std::size_t size)
      : stream_(std::move(stream)), memory_(stream_->allocate(size)) {
    address = reinterpret_cast<std::uintptr_t>(memory_);
    bytes = size;
  }
  ~CudaBlock() override { stream_->free(memory_); }
  CudaBlock(const CudaBlock&) = delete;
  CudaBlock& operator=(const CudaBlock&) = delete;

 private:
  std::shared_ptr<Stream> stream_;
  void* memory_;
};

/// cuBLAS with a workspace of its own, which makes its results the same on every run, and lets a graph keep
/// them.
class Blas {
 public:
  explicit Blas(cudaStream_t stream) {
    if (const char* without = std::getenv("TAPELINE_CUDA_BLAS"); without && std::string_view(without) == "0")
      return;
    if (cublasCreate_v2(&handle_) != CUBLAS_STATUS_SUCCESS) {
      handle_ = nullptr;
      return;
    }
    check(cudaMalloc(&workspace_, kWorkspace), "allocating cuBLAS's workspace");
    if (cublasSetStream_v2(handle_, stream) != CUBLAS_STATUS_SUCCESS ||
        cublasSetWorkspace_v2(handle_, workspace_, kWorkspace) != CUBLAS_STATUS_SUCCESS)
      fail("cuBLAS could not be set up");
  }
  ~Blas() {
    if (handle_) cublasDestroy_v2(handle_);
    cudaFree(workspace_);
  }
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;
  cublasHandle_t get() const { return handle_; }

 private:
  static constexpr std::size_t kWorkspace = std::size_t{32} << 20;  // what NVIDIA advises for Hopper
  cublasHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
};

std::byte* place(const Storage& storage, std::size_t offset) {
  return reinterpret_cast<std::byte*>(storage.block->address + storage.offset + offset);
}

class CudaBackend;

/// Kernels captured once as a graph: a replay is one call, however many there are.
class CapturedGraph final : public Executable {
 public:
  CapturedGraph(CudaBackend& backend, std::vector<Kernel> kernels);
  ~CapturedGraph() override { cudaGraphExecDestroy(executable_); }
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;
  void replay() override;

 private:
  CudaBackend& backend_;
  std::vector<Kernel> kernels_;  // keep the memory that the graph uses, and the backend
  cudaGraphExec_t executable_ = nullptr;
};

/// The matrix units that multiply anything but halves came with 8.0.
std::vector<Precision> precisions(const Card& card) {
  if (card.major < 8) return {Precision::fp32};
  return {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16};
}

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const CudaOptions& options)
      : precision_(options.precision),
        stream_(std::make_shared<Stream>(open_card(options.device))),
        staging_(stream_->get()),
        blas_(stream_->get()) {
    const Card& card = stream_->card();
    if (const auto all = precisions(card); std::find(all.begin(), all.end(), precision_) == all.end())
      throw Error("{} has compute capability {}.{}, which does not compute in {}; choose fp32", card.name,
                  card.major, card.minor, name_of(precision_));
    const char* wait = std::getenv("TAPELINE_CUDA_WAIT");
    wait_ = wait && std::string_view(wait) == "1";
    const char* graphs = std::getenv("TAPELINE_CUDA_GRAPHS");
    graphs_ = !wait_ && !(graphs && std::string_view(graphs) == "0");
  }

  DeviceInfo describe() const override {
    const Card& card = stream_->card();
    return {.id = fmt::format("cuda:{}", card.device),
            .name = fmt::format("{}, compute capability {}.{}, {}{}", card.name, card.major, card.minor,
                                name_of(precision_), blas_.get() ? "" : ", without cuBLAS"),
            .memory = card.memory,
            .peak_flops = card.peak_flops,
            .peak_bytes = card.peak_bytes,
            .precisions = precisions(card)};
  }

  Precision precision() const override { return precision_; }

  std::shared_ptr<Block> allocate(std::size_t bytes) override {
    choose();
    return std::make_shared<CudaBlock>(stream_, bytes);
  }
  void upload(const Storage& to, std::size_t offset, std::span<const std::byte> from) override {
    choose();
    guard([&] { staging_.upload(place(to, offset), from); });
  }
  void download(const Storage& from, std::size_t offset, std::span<std::byte> to) override {
    choose();
    guard([&] { staging_.download(place(from, offset), to); });
    recent_.clear();
  }
  void run(const Kernel& kernel) override {
    choose();
    start(kernel);
    if (wait_) synchronize();
  }
  std::unique_ptr<Executable> compile(std::vector<Kernel> kernels) override {
    if (!graphs_) return Backend::compile(std::move(kernels));
    choose();
    return std::make_unique<CapturedGraph>(*this, std::move(kernels));
  }
  void synchronize() override {
    choose();
    guard([&] { check(cudaStreamSynchronize(stream_->get()), "waiting for the card"); });
    recent_.clear();
  }

  void start(const Kernel& kernel) {
    scratch_.reset();
    const Card& card = stream_->card();
    Context context;
    context.stream = stream_->get();
    context.memory = &scratch_;
    context.blas = blas_.get();
    context.precision = precision_;
    context.multiprocessors = card.multiprocessors;
    context.shared_limit = card.shared_limit;
    context.cooperative = card.cooperative;
    context.copies_async = card.major >= 8;
    try {
      std::visit([&](const auto& k) { cuda::run(k, context); }, kernel);
    } catch (const OutOfMemory&) {
      throw;
    } catch (const Error& error) {
      // It may be the first to hear of an error that an earlier kernel made.
      guard([&] { throw Error("kernel {} on cuda:{}: {}", name_of(kernel), card.device, error.what()); });
    }
    remember(name_of(kernel));
  }
  cudaStream_t stream() const { return stream_->get(); }

  /// Errors of kernels are seen later, by whoever waits for the card: tells which kernels it can have been.
  template <typename Work>
  void guard(Work&& work) {
    try {
      work();
    } catch (const Error& error) {
      std::string names;
      for (const std::string_view name : recent_)
        names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
      if (names.empty()) throw;
      throw Error(
          "cuda:{}: {}; since the last time that all was well there ran: {}. TAPELINE_CUDA_WAIT=1 finds out "
          "which it was; the last checkpoint is not touched by this",
          stream_->card().device, error.what(), names);
    }
  }
  void remember(std::string_view name) {
    if (std::find(recent_.begin(), recent_.end(), name) == recent_.end()) recent_.push_back(name);
  }
  /// The current device is a matter of the thread.
  void choose() const { check(cudaSetDevice(stream_->card().device), "choosing the card"); }

 private:
  Precision precision_;
  std::shared_ptr<Stream> stream_;
  Scratch scratch_;
  Staging staging_;
  Blas blas_;
  bool wait_ = false, graphs_ = true;
  std::vector<std::string_view> recent_;
};

CapturedGraph::CapturedGraph(CudaBackend& backend, std::vector<Kernel> kernels)
    : backend_(backend), kernels_(std::move(kernels)) {
  check(cudaStreamBeginCapture(backend_.stream(), cudaStreamCaptureModeRelaxed), "capturing a graph");
  cudaGraph_t graph = nullptr;
  try {
    for (const Kernel& kernel : kernels_) backend_.start(kernel);
  } catch (...) {
    cudaStreamEndCapture(backend_.stream(), &graph);
    cudaGraphDestroy(graph);
    throw;
  }
  check(cudaStreamEndCapture(backend_.stream(), &graph), "capturing a graph");
  const cudaError_t error = cudaGraphInstantiate(&executable_, graph, 0);
  cudaGraphDestroy(graph);
  check(error, "making a graph ready");
}

void CapturedGraph::replay() {
  backend_.choose();
  backend_.guard([&] { check(cudaGraphLaunch(executable_, backend_.stream()), "starting a graph"); });
  for (const Kernel& kernel : kernels_) backend_.remember(name_of(kernel));
}

}  // namespace
}  // namespace cuda

std::shared_ptr<Backend> open_cuda(const CudaOptions& options) {
  return std::make_shared<cuda::CudaBackend>(options);
}

}  // namespace tapeline
