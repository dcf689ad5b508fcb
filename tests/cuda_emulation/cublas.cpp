// cublasGemmEx as plain loops: column-major, c = alpha op(a) op(b) + beta c, c not read where beta is 0.
// Factors of 16 bits make an f32 c.

#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

struct CublasEmulation {
  cudaStream_t stream = nullptr;
};

namespace {

float widen(float x) { return x; }
double widen(double x) { return x; }
float widen(__half x) { return __half2float(x); }
float widen(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename Factor, typename T>
void multiply(bool transpose_a, bool transpose_b, int m, int n, int k, T alpha, const Factor* a, int lda,
              const Factor* b, int ldb, T beta, T* c, int ldc) {
  for (int column = 0; column < n; ++column)
    for (int row = 0; row < m; ++row) {
      T sum = 0;
      for (int i = 0; i < k; ++i)
        sum += widen(a[transpose_a ? std::size_t(row) * lda + i : std::size_t(i) * lda + row]) *
               widen(b[transpose_b ? std::size_t(i) * ldb + column : std::size_t(column) * ldb + i]);
      T& result = c[std::size_t(column) * ldc + row];
      result = alpha * sum + (beta == 0 ? 0 : beta * result);
    }
}

}  // namespace

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  *handle = new CublasEmulation;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void*, std::size_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transpose_a,
                            cublasOperation_t transpose_b, int m, int n, int k, const void* alpha,
                            const void* a, cudaDataType type, int lda, const void* b, cudaDataType type_b,
                            int ldb, const void* beta, void* c, cudaDataType type_c, int ldc,
                            cublasComputeType_t, cublasGemmAlgo_t) {
  const bool fits =
      lda >= (transpose_a ? k : m) && ldb >= (transpose_b ? n : k) && ldc >= m && m > 0 && n > 0;
  if (!fits || type != type_b || type_c != (type == CUDA_R_64F ? CUDA_R_64F : CUDA_R_32F))
    return CUBLAS_STATUS_INVALID_VALUE;
  const auto go = [=]<typename Factor, typename T>(Factor, T) {
    // Factors lie in host memory and are read at once, the matrices when the work is done.
    const T factor = *static_cast<const T*>(alpha), kept = *static_cast<const T*>(beta);
    cuda_emulation::submit(handle->stream, [=] {
      multiply(transpose_a, transpose_b, m, n, k, factor, static_cast<const Factor*>(a), lda,
               static_cast<const Factor*>(b), ldb, kept, static_cast<T*>(c), ldc);
    });
  };
  switch (type) {
    case CUDA_R_32F:
      go(float{}, float{});
      break;
    case CUDA_R_64F:
      go(double{}, double{});
      break;
    case CUDA_R_16F:
      go(__half{}, float{});
      break;
    case CUDA_R_16BF:
      go(__nv_bfloat16{}, float{});
      break;
  }
  return CUBLAS_STATUS_SUCCESS;
}
