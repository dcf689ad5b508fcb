#pragma once

// Philox 4x32-10: random numbers as a pure function of (key, counter), so that every backend, thread and
// resumed run draws the same ones. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.

#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

namespace tapeline {

using PhiloxBlock = std::array<std::uint32_t, 4>;

/// Four independent 32-bit words for this key and counter.
constexpr PhiloxBlock philox(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// A stream of random numbers. Streams with different (seed, stream) are independent; copying one copies its
/// position.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  std::uint32_t bits() {
    if (used_ == 4) {
      block_ = philox({static_cast<std::uint32_t>(position_), static_cast<std::uint32_t>(position_ >> 32),
                       static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                      {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
      ++position_;
      used_ = 0;
    }
    return block_[used_++];
  }

  /// Uniform in [0, 1), with 24 bits.
  float uniform() { return static_cast<float>(bits() >> 8) * 0x1p-24f; }

  /// Uniform in [low, high).
  float uniform(float low, float high) { return low + (high - low) * uniform(); }

  /// Uniform integer in [0, count). The bias, at most count / 2^32, is of no consequence here. count > 0.
  std::uint32_t below(std::uint32_t count) {
    return static_cast<std::uint32_t>((std::uint64_t{bits()} * count) >> 32);
  }

  /// Uniform integer in [low, high], both included; high - low < 2^31.
  int integer(int low, int high) {
    return low + static_cast<int>(below(static_cast<std::uint32_t>(high - low) + 1));
  }

  bool chance(float probability) { return uniform() < probability; }

  /// Standard normal (Box and Muller 1958); one value of each pair is thrown away, so that there is no hidden
  /// state.
  float normal() {
    const double radius = std::sqrt(-2.0 * std::log((bits() + 1.0) * 0x1p-32));
    return static_cast<float>(radius * std::cos(6.283185307179586 * bits() * 0x1p-32));
  }

  /// Fisher-Yates.
  template <typename Container>
  void shuffle(Container& items) {
    using std::swap;
    for (std::size_t i = items.size(); i > 1; --i)
      swap(items[i - 1], items[below(static_cast<std::uint32_t>(i))]);
  }

 private:
  std::uint64_t seed_, stream_, position_ = 0;
  PhiloxBlock block_{};
  int used_ = 4;
};

}  // namespace tapeline
