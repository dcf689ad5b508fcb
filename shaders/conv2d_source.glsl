// Where the window's element (i, j) falls for the output at `at` (row, column), or (-1, -1). On the way back
// input and output have changed places, and an output gathers from all that its pixel took part in.

ivec2 source(bool backward, ivec2 at, int i, int j) {
  ivec2 from;
  if (backward) {
    const ivec2 steps = ivec2(at.x + pad_top - i * dilation_h, at.y + pad_left - j * dilation_w);
    from = steps / ivec2(stride_h, stride_w);
    if (steps.x < 0 || steps.y < 0 || from * ivec2(stride_h, stride_w) != steps) return ivec2(-1);
  } else {
    from = ivec2(at.x * stride_h - pad_top + i * dilation_h, at.y * stride_w - pad_left + j * dilation_w);
    if (from.x < 0 || from.y < 0) return ivec2(-1);
  }
  return from.x < int(in_height) && from.y < int(in_width) ? from : ivec2(-1);
}
