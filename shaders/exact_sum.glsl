// Sums of f32 with twice its digits, as pairs (sum, what was rounded off): Knuth's two-sum, The Art of
// Computer Programming, volume 2, section 4.2.2. `precise` keeps a compiler from simplifying the error away.

vec2 add_exactly(vec2 total, float x) {
  precise float sum = total.x + x;
  precise float back = sum - total.x;
  precise float error = (total.x - (sum - back)) + (x - back);
  precise float rest = total.y + error;
  return vec2(sum, rest);
}

vec2 add_exactly(vec2 total, vec2 x) { return add_exactly(add_exactly(total, x.x), x.y); }

float rounded(vec2 total) { return total.x + total.y; }
