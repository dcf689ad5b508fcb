// Batch normalisation in double, in as many passes as there are formulas: mean, variance, result; and back:
// the two sums over rows, then the gradient.

#include <cmath>
#include <vector>

#include "backends/reference/activation.h"
#include "backends/reference/dispatch.h"
#include "backends/reference/index.h"
#include "backends/reference/kernels.h"

namespace tapeline::reference {
namespace {

// output = activation((input - mean) * inv_dev * scale + offset) inside the widths, 0 outside.
template <typename T, typename K>
void normalise(const K& k, const std::vector<double>& mean, const std::vector<double>& inv_dev) {
  const T* input = k.input.template data<T>();
  const T* scale = data_or_null<T>(k.scale);
  const T* offset = data_or_null<T>(k.offset);
  T* output = k.output.template data<T>();
  for_each_pixel(k.input.shape, k.widths, [&](std::int64_t position, bool inside) {
    for (std::size_t c = 0; c < mean.size(); ++c) {
      double y = (input[position + c] - mean[c]) * inv_dev[c];
      if (scale) y *= scale[c];
      if (offset) y += offset[c];
      output[position + c] = inside ? activate(k.activation, static_cast<T>(y)) : 0;
    }
  });
}

// A tensor of its own.
class Temporary {
 public:
  explicit Temporary(const View& like) : bytes_(like.bytes()) {
    view_.dtype = like.dtype;
    view_.shape = like.shape;
    view_.storage = std::make_shared<Storage>();
    view_.storage->block = std::make_shared<Block>();
    view_.storage->block->address = reinterpret_cast<std::uintptr_t>(bytes_.data());
  }
  const View& view() const { return view_; }

 private:
  std::vector<std::byte> bytes_;
  View view_;
};

void run_pooled(const BatchNormTraining& k) {
  const Temporary whole(k.input);
  BatchNormTraining norm = k;
  norm.output = whole.view();
  norm.choice = {};
  run(norm);
  run(MaxPool2dForward{whole.view(), k.widths, k.output, k.choice, k.pool});
}

// Pixels that did not win have no gradient, so their results do not matter.
void run_pooled(const BatchNormBackward& k) {
  const Temporary output(k.input), grad_output(k.input);
  BatchNormBackward norm = k;
  norm.choice = {};
  norm.grad_output = grad_output.view();
  run(MaxPool2dBackward{k.choice, k.grad_output, norm.grad_output, k.pool});
  if (k.output) {
    norm.output = output.view();
    run(MaxPool2dBackward{k.choice, k.output, norm.output, k.pool});
  }
  run(norm);
}

}  // namespace

void run(const BatchNormTraining& k) {
  if (k.choice) return run_pooled(k);
  with_float(k.input.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    const auto channels = static_cast<std::size_t>(k.input.shape[3]);
    std::vector<double> mean(channels), variance(channels), inv_dev(channels);
    double rows = 0;
    for_each_pixel(k.input.shape, k.widths, [&](std::int64_t position, bool inside) {
      if (!inside) return;
      ++rows;
      for (std::size_t c = 0; c < channels; ++c) mean[c] += input[position + c];
    });
    if (rows > 0)
      for (double& m : mean) m /= rows;

    for_each_pixel(k.input.shape, k.widths, [&](std::int64_t position, bool inside) {
      if (!inside) return;
      for (std::size_t c = 0; c < channels; ++c) {
        const double distance = input[position + c] - mean[c];
        variance[c] += distance * distance / rows;
      }
    });

    T* running_mean = data_or_null<T>(k.running_mean);
    T* running_variance = data_or_null<T>(k.running_variance);
    for (std::size_t c = 0; c < channels; ++c) {
      inv_dev[c] = 1 / std::sqrt(variance[c] + k.epsilon);
      k.mean.data<T>()[c] = mean[c];
      k.inv_dev.data<T>()[c] = inv_dev[c];
      const double unbiased = rows > 1 ? variance[c] * rows / (rows - 1) : variance[c];
      const double momentum = rows > 0 ? k.momentum : 1;
      if (running_mean) running_mean[c] = momentum * running_mean[c] + (1 - momentum) * mean[c];
      if (running_variance) running_variance[c] = momentum * running_variance[c] + (1 - momentum) * unbiased;
    }
    normalise<T>(k, mean, inv_dev);
  });
}

void run(const BatchNormInference& k) {
  with_float(k.input.dtype, [&]<typename T>() {
    const auto channels = static_cast<std::size_t>(k.input.shape[3]);
    std::vector<double> mean(channels), inv_dev(channels);
    for (std::size_t c = 0; c < channels; ++c) {
      mean[c] = k.running_mean.data<T>()[c];
      inv_dev[c] = 1 / std::sqrt(k.running_variance.data<T>()[c] + static_cast<double>(k.epsilon));
    }
    normalise<T>(k, mean, inv_dev);
  });
}

void run(const BatchNormBackward& k) {
  if (k.choice) return run_pooled(k);
  with_float(k.input.dtype, [&]<typename T>() {
    const T* input = k.input.data<T>();
    const T* scale = data_or_null<T>(k.scale);
    const T* mean = k.mean.data<T>();
    const T* inv_dev = k.inv_dev.data<T>();
    const T* output = data_or_null<T>(k.output);
    const T* grad_output = k.grad_output.data<T>();
    const auto channels = static_cast<std::size_t>(k.input.shape[3]);

    const auto grad = [&](std::int64_t i) {
      return output ? grad_output[i] * activation_slope(k.activation, output[i]) : double{grad_output[i]};
    };
    const auto normal = [&](std::int64_t i, std::size_t c) {
      return (double{input[i]} - mean[c]) * inv_dev[c];
    };

    std::vector<double> grad_scale(channels), grad_offset(channels);
    double rows = 0;
    for_each_pixel(k.input.shape, k.widths, [&](std::int64_t position, bool inside) {
      if (!inside) return;
      ++rows;
      for (std::size_t c = 0; c < channels; ++c) {
        grad_offset[c] += grad(position + c);
        grad_scale[c] += grad(position + c) * normal(position + c, c);
      }
    });
    for (std::size_t c = 0; c < channels; ++c) {
      if (k.grad_offset) k.grad_offset.data<T>()[c] = grad_offset[c];
      if (k.grad_scale) k.grad_scale.data<T>()[c] = grad_scale[c];
    }

    T* grad_input = data_or_null<T>(k.grad_input);
    if (!grad_input) return;
    for_each_pixel(k.input.shape, k.widths, [&](std::int64_t position, bool inside) {
      for (std::size_t c = 0; c < channels; ++c) {
        const std::int64_t i = position + c;
        const double centred = grad(i) - grad_offset[c] / rows - normal(i, c) * grad_scale[c] / rows;
        grad_input[i] = inside ? (scale ? double{scale[c]} : 1.0) * inv_dev[c] * centred : 0;
      }
    });
  });
}

}  // namespace tapeline::reference
