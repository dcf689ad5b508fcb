// The fuzz targets on a fixed row of mutated seeds: the same on every machine, and quick. run.sh goes deeper.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "engine/random.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/targets.h"

namespace tapeline {

namespace {

std::uint32_t below(Random& random, std::size_t count) {
  return random.below(static_cast<std::uint32_t>(std::max<std::size_t>(count, 1)));
}

/// One to four changes: a bit, a byte that is often special, a piece taken out, doubled, or from another
/// seed.
std::string mutated(std::string bytes, const std::vector<std::string>& seeds, Random& random) {
  constexpr unsigned char kSpecial[] = {0,   1,   0x7f, 0x80, 0xff, '0', '9', '-',
                                        ',', ':', '"',  '[',  ']',  '{', '\n'};
  for (std::uint32_t n = 1 + below(random, 4); n > 0; --n) {
    const std::size_t at = below(random, bytes.size());
    const std::size_t length =
        1 + below(random, std::min<std::size_t>(bytes.size() - std::min(at, bytes.size()), 40));
    switch (below(random, 6)) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(random, 8));
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(kSpecial[below(random, sizeof kSpecial)]);
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 4:
        bytes.resize(at);
        break;
      default: {
        const std::string& other = seeds[below(random, seeds.size())];
        const std::size_t from = below(random, other.size());
        bytes.insert(at, other.substr(from, 1 + below(random, 60)));
      }
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("fuzz: whatever the bytes, each reader reads them or says why not") {
  const char* given = std::getenv("TAPELINE_MUTATIONS");
  const int count = given ? std::atoi(given) : 20'000;
  for (const FuzzTarget& target : fuzz_targets()) {
    CAPTURE(std::string(target.name));
    const std::vector<std::string> seeds = fuzz_seeds(target.name);
    REQUIRE(!seeds.empty());
    int read = 0, refused = 0;
    for (const std::string& seed : seeds) read += survives(target, seed);
    CHECK(read > 0);
    Random random(1, 0);
    for (int i = 0; i < count; ++i) {
      std::string bytes = mutated(seeds[below(random, seeds.size())], seeds, random);
      if (target.repair && i % 8 != 0) target.repair(bytes);
      CAPTURE(i);
      bool fine = false;
      CHECK_NOTHROW(fine = survives(target, bytes));
      ++(fine ? read : refused);
    }
    // Lists keep what is wrong in a report, and of the options some reader takes most texts.
    const std::string_view name = target.name;
    if (name != "labels" && name != "list" && name != "options") CHECK(refused > 0);
  }
}

}  // namespace tapeline
