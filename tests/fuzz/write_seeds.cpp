// write_seeds FOLDER TARGET: each seed of the target as a file in the folder, for libFuzzer.

#include <cstdio>
#include <fstream>

#include "tests/fuzz/seeds.h"

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: write_seeds FOLDER TARGET\n"), 2;
  int number = 0;
  for (const std::string& seed : tapeline::fuzz_seeds(argv[2])) {
    std::ofstream file(std::string(argv[1]) + "/seed-" + std::to_string(++number), std::ios::binary);
    if (!(file << seed)) return std::perror(argv[1]), 1;
  }
  return number > 0 ? 0 : 1;
}
