// cuBLAS, found when it is first needed: so that a program built with the CUDA backend starts on machines
// that have none. The functions of its header are defined here, each calling the one of its name in the
// library.

#include <cublas_v2.h>
#include <dlfcn.h>

#include <string>

namespace {

void* library() {
  static void* const handle = [] {
    const std::string name = "libcublas.so." + std::to_string(CUBLAS_VER_MAJOR);
    for (const std::string& path : {name, "/usr/local/cuda/lib64/" + name})
      if (void* found = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return found;
    return static_cast<void*>(nullptr);
  }();
  return handle;
}

template <auto kFunction>
cublasStatus_t call(const char* name, auto... arguments) {
  static const auto function =
      reinterpret_cast<decltype(kFunction)>(library() ? dlsym(library(), name) : nullptr);
  return function ? function(arguments...) : CUBLAS_STATUS_NOT_INITIALIZED;
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  return call<&cublasCreate_v2>("cublasCreate_v2", handle);
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  return call<&cublasDestroy_v2>("cublasDestroy_v2", handle);
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return call<&cublasSetStream_v2>("cublasSetStream_v2", handle, stream);
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t bytes) {
  return call<&cublasSetWorkspace_v2>("cublasSetWorkspace_v2", handle, workspace, bytes);
}
cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transpose_a,
                            cublasOperation_t transpose_b, int m, int n, int k, const void* alpha,
                            const void* a, cudaDataType type_a, int lda, const void* b, cudaDataType type_b,
                            int ldb, const void* beta, void* c, cudaDataType type_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
  constexpr cublasStatus_t (*kFunction)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int,
                                        const void*, const void*, cudaDataType, int, const void*,
                                        cudaDataType, int, const void*, void*, cudaDataType, int,
                                        cublasComputeType_t, cublasGemmAlgo_t) = &cublasGemmEx;
  return call<kFunction>("cublasGemmEx", handle, transpose_a, transpose_b, m, n, k, alpha, a, type_a, lda, b,
                         type_b, ldb, beta, c, type_c, ldc, compute, algorithm);
}
}
