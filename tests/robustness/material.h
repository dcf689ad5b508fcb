#pragma once

// What the tests of this folder work on: a few rendered pictures, and a model that has learned nothing much.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

namespace tapeline {

inline const std::string kTiny = "[1,20,60,1 Cl3,3,4,2,2 Bn Ar Mp2,2 S1(1x0)1,3 Lfx6 O1c]";

/// data/ holds 12 pictures with labels.tsv, run/ a training of 4 steps on them.
struct Material {
  TemporaryFolder folder;
  std::string data = (folder / "data").string(), run = (folder / "run").string();
  std::string model = run + "/best.safetensors", picture = data + "/images/000001.png";
  Material();
};

const Material& material();

/// `tapeline train` of the tiny network on material().data.
std::vector<std::string> train_command(const std::string& output, int steps);

/// A safetensors file taken apart; its header without the digests, so that it can be changed.
struct Parts {
  nlohmann::json header;
  std::string data;

  explicit Parts(const std::string& file);
  /// `length` stands for the header's length where it is given.
  std::string file(std::uint64_t length = 0) const;
  /// Overwrites the first value of a tensor.
  void set(const std::string& tensor, float value);
  /// Overwrites all values of a tensor.
  void fill(const std::string& tensor, float value);
};

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b);
std::string file_bytes(const std::string& path);
void write_bytes(const std::string& path, const std::string& bytes);

}  // namespace tapeline
