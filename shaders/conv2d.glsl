// The geometry of a convolution, as in engine/kernels/conv2d.h.

layout(push_constant) uniform Push {
  uint batch;
  uint in_height, in_width, in_channels;
  uint out_height, out_width, out_channels;
  uint groups;
  int window_height, window_width;
  int stride_h, stride_w;
  int dilation_h, dilation_w;
  int pad_top, pad_left;
  float slope;       // of a leaky ReLU at the end
  uint slab, slabs;  // of sums over all positions
  uint in_pitch, out_pitch;  // floats from pixel to pixel, for the gradient in the weight
};
