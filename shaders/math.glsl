// Functions that are the same to the last bits on every driver: Vulkan allows its own exp and log an error of
// many units in the last place, and users would read different texts. Polynomials of the Cephes library
// (Moshier).

#define kInfinity uintBitsToFloat(0x7F800000u)
#define kNan uintBitsToFloat(0x7FC00000u)

bool is_nan(float x) { return (floatBitsToUint(x) & 0x7FFFFFFFu) > 0x7F800000u; }

float exp_of(float x) {
  if (is_nan(x)) return x;
  if (x > 88.8) return kInfinity;
  if (x < -104.0) return 0.0;
  const float n = floor(fma(x, 1.44269504, 0.5));
  const float r = fma(n, 2.12194440e-4, fma(n, -0.693359375, x));  // x - n ln 2, in two parts
  float p = 1.9875691500e-4;
  p = fma(p, r, 1.3981999507e-3);
  p = fma(p, r, 8.3334519073e-3);
  p = fma(p, r, 4.1665795894e-2);
  p = fma(p, r, 1.6666665459e-1);
  p = fma(p, r, 5.0000001201e-1);
  p = fma(p, r * r, r) + 1.0;
  const int exponent = int(n), first = exponent / 2;  // 2^n can be too large or small for one factor
  return p * intBitsToFloat((first + 127) << 23) * intBitsToFloat((exponent - first + 127) << 23);
}

float log_of(float x) {
  if (is_nan(x) || x == kInfinity) return x;
  if (x == 0.0) return -kInfinity;
  if (x < 0.0) return kNan;
  float e = 0.0;
  if (x < 1.17549435e-38) {
    x *= 16777216.0;
    e = -24.0;
  }
  const uint bits = floatBitsToUint(x);
  e += float(int(bits >> 23) - 126);
  float m = uintBitsToFloat((bits & 0x7FFFFFu) | 0x3F000000u);  // in [0.5, 1)
  if (m < 0.707106781) {
    e -= 1.0;
    m = m + m;
  }
  m -= 1.0;
  const float z = m * m;
  float p = 7.0376836292e-2;
  p = fma(p, m, -1.1514610310e-1);
  p = fma(p, m, 1.1676998740e-1);
  p = fma(p, m, -1.2420140846e-1);
  p = fma(p, m, 1.4249322787e-1);
  p = fma(p, m, -1.6668057665e-1);
  p = fma(p, m, 2.0000714765e-1);
  p = fma(p, m, -2.4999993993e-1);
  p = fma(p, m, 3.3333331174e-1);
  p = p * m * z;
  p = fma(e, -2.12194440e-4, p);
  p = fma(-0.5, z, p);
  return fma(e, 0.693359375, m + p);
}

float sigmoid_of(float x) { return 1.0 / (1.0 + exp_of(-x)); }

float tanh_of(float x) {
  const float a = abs(x);
  if (!(a < 0.625)) return sign(x) * (1.0 - 2.0 / (exp_of(2.0 * a) + 1.0)) + (is_nan(x) ? x : 0.0);
  const float z = x * x;
  float p = -5.70498872745e-3;
  p = fma(p, z, 2.06390887954e-2);
  p = fma(p, z, -5.37397155531e-2);
  p = fma(p, z, 1.33314422036e-1);
  p = fma(p, z, -3.33332819422e-1);
  return fma(p * z, x, x);
}
