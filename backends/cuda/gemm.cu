// Plain products are cuBLAS's; where there is no cuBLAS they are made by gemm_tile.h. Bias and activation
// follow in a launch of their own after cuBLAS, and come with the result otherwise.

#include "backends/cuda/gemm.h"

#include "backends/cuda/activate.h"
#include "backends/cuda/dispatch.h"
#include "backends/cuda/gemm_pipeline.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/rounded.h"

namespace tapeline::cuda {
namespace {

template <typename T>
struct Result {
  T* c;
  std::int64_t stride;
  bool accumulate;
  const T* bias;
  Activation activation;

  __device__ void select(int) {}
  __device__ void operator()(int row, int column, T value, int) const {
    T& place = c[row * stride + column];
    if (bias) value += bias[column];
    if (accumulate) value += place;
    place = activate(activation, value);
  }
};

template <typename T>
__global__ void bias_and_activation(std::int64_t elements, int columns, std::int64_t stride, const T* bias,
                                    Activation activation, T* c) {
  for (std::int64_t i = first_element(); i < elements; i += element_stride()) {
    const int column = static_cast<int>(i % columns);
    T& place = c[i / columns * stride + column];
    place = activate(activation, bias ? place + bias[column] : place);
  }
}

// cuBLAS is column-major: the transposed product b^T a^T is c row by row. Factors are `type`.
template <typename T>
void multiply_with_cublas(Context& context, const Product<T>& p, const void* a, const void* b,
                          cudaDataType type, cublasComputeType_t compute) {
  const T one = 1, kept = p.accumulate ? T(1) : T(0);
  const cublasStatus_t status = cublasGemmEx(
      context.blas, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N,
      p.columns, p.rows, p.inner, &one, b, type, static_cast<int>(p.b_stride), a, type,
      static_cast<int>(p.a_stride), &kept, p.c, std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_64F,
      static_cast<int>(p.c_stride), compute, CUBLAS_GEMM_DEFAULT);
  if (status != CUBLAS_STATUS_SUCCESS) fail("cuBLAS could not start the product; see CUBLAS_LOGINFO_DBG=1");
}

// With 16 bits both factors are rounded first, so that cuBLAS has what its fastest kernels take.
template <typename T>
void multiply_with_cublas(Context& context, const Product<T>& p) {
  if constexpr (std::is_same_v<T, double>) {
    multiply_with_cublas(context, p, p.a, p.b, CUDA_R_64F, CUBLAS_COMPUTE_64F);
  } else {
    const auto elements = [](int rows, int columns, std::int64_t stride) {
      return (rows - 1) * stride + columns;
    };
    const std::int64_t of_a = p.transpose_a ? elements(p.inner, p.rows, p.a_stride)
                                            : elements(p.rows, p.inner, p.a_stride),
                       of_b = p.transpose_b ? elements(p.columns, p.inner, p.b_stride)
                                            : elements(p.inner, p.columns, p.b_stride);
    const bool in_16_bits = with_half(context.precision, [&]<typename Half>() {
      const Half *a = rounded<Half>(context, p.a, of_a), *b = rounded<Half>(context, p.b, of_b);
      multiply_with_cublas(context, p, a, b, std::is_same_v<Half, __half> ? CUDA_R_16F : CUDA_R_16BF,
                           CUBLAS_COMPUTE_32F);
    });
    if (!in_16_bits)
      multiply_with_cublas(
          context, p, p.a, p.b, CUDA_R_32F,
          context.precision == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F);
  }
}

template <typename T>
void multiply_with_tiles(Context& context, const Product<T>& p, const T* bias, const Activation& activation) {
  const GemmSizes sizes{p.rows, p.columns, p.inner};
  const Result<T> result{p.c, p.c_stride, p.accumulate, bias, activation};
  const auto with_b = [&](const auto& a) {
    if (p.transpose_b)
      multiply<T>(context, sizes, a, Matrix<T, true>{p.b, p.b_stride}, result);
    else
      multiply<T>(context, sizes, a, Matrix<T, false>{p.b, p.b_stride}, result);
  };
  if (p.transpose_a)
    with_b(Matrix<T, false>{p.a, p.a_stride});
  else
    with_b(Matrix<T, true>{p.a, p.a_stride});
}

}  // namespace

template <typename T>
void multiply_matrices(Context& context, const Product<T>& p, const T* bias, const Activation& activation) {
  if (p.rows == 0 || p.columns == 0) return;
  if (!context.blas || p.inner == 0) return multiply_with_tiles(context, p, bias, activation);
  multiply_with_cublas(context, p);
  const std::int64_t elements = static_cast<std::int64_t>(p.rows) * p.columns;
  if (bias || activation)
    launch_elements(context, elements, bias_and_activation<T>, elements, p.columns, p.c_stride, bias,
                    activation, p.c);
}

template void multiply_matrices<float>(Context&, const Product<float>&, const float*, const Activation&);
template void multiply_matrices<double>(Context&, const Product<double>&, const double*, const Activation&);

void run(const Gemm& k, Context& context) {
  with_float(k.c.dtype, [&]<typename T>() {
    Product<T> p;
    p.a = k.a.data<T>(), p.b = k.b.data<T>(), p.c = k.c.data<T>();
    p.rows = static_cast<int>(k.rows), p.columns = static_cast<int>(k.columns),
    p.inner = static_cast<int>(k.inner);
    p.a_stride = k.transpose_a ? k.rows : k.inner;
    p.b_stride = k.transpose_b ? k.inner : k.columns;
    p.c_stride = k.columns;
    p.transpose_a = k.transpose_a, p.transpose_b = k.transpose_b, p.accumulate = k.accumulate;
    multiply_matrices(context, p, data_or_null<T>(k.bias), k.activation);
  });
}

}  // namespace tapeline::cuda
