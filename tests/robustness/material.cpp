#include "tests/robustness/material.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/robustness/faults.h"

namespace tapeline {

Material::Material() {
  const Ran synth =
      run_program({"synth", "expressions", "--output", data, "--count", "12", "--threads", "1"});
  INFO(synth.err);
  REQUIRE(synth.status == 0);
  const Ran train = run_program(train_command(run, 4));
  INFO(train.err);
  REQUIRE(train.status == 0);
}

const Material& material() {
  static const Material once;
  return once;
}

std::vector<std::string> train_command(const std::string& output, int steps) {
  return {"train",
          "--network",
          kTiny,
          "--data",
          "synth:expressions?count=12",
          "--validate",
          "synth:expressions?seed=2&count=4",
          "--batch",
          "4",
          "--steps",
          std::to_string(steps),
          "--evaluate-every",
          "2",
          "--threads",
          "1",
          "--output",
          output};
}

Parts::Parts(const std::string& file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  header = nlohmann::json::parse(file.substr(8, length));
  header["__metadata__"].erase("digest.header");
  header["__metadata__"].erase("digest.tensors");
  data = file.substr(8 + length);
}

std::string Parts::file(std::uint64_t length) const {
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (length == 0) length = text.size();
  std::string result(8, '\0');
  std::memcpy(result.data(), &length, sizeof length);
  return result + text + data;
}

void Parts::set(const std::string& tensor, float value) {
  std::memcpy(data.data() + header[tensor]["data_offsets"][0].get<std::size_t>(), &value, sizeof value);
}

void Parts::fill(const std::string& tensor, float value) {
  const auto range = header[tensor]["data_offsets"].get<std::array<std::size_t, 2>>();
  for (std::size_t at = range[0]; at < range[1]; at += sizeof value)
    std::memcpy(data.data() + at, &value, sizeof value);
}

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace tapeline
