// What the passes of batch normalisation share: rows are the N * H * W positions, and with widths only those
// left of an image's own width count. Statistics are gathered in slabs of rows.

layout(push_constant) uniform Push {
  uint rows, height, width, channels;
  uint slab, slabs;
  float epsilon, momentum, slope;
};

