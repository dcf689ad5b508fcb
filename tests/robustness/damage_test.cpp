// A model file that is not as it was written is refused by name, whichever bit it is; older files are read.

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "engine/io/digest.h"
#include "engine/io/safetensors.h"
#include "tests/errors.h"
#include "tests/robustness/faults.h"
#include "tests/robustness/material.h"

namespace tapeline {

namespace {

std::string error_of_model(const std::string& bytes) {
  return error_of([&] { Safetensors::parse(std::as_bytes(std::span(bytes)), "model"); });
}

}  // namespace

TEST_CASE("digest: the published values of XXH64") {
  const auto of = [](std::string_view text) { return digest(std::as_bytes(std::span(text))); };
  CHECK(of("") == 0xef46db3751d8e999);
  CHECK(of("a") == 0xd24ec4f1a98c6e5b);
  CHECK(of("abc") == 0x44bc2cf5ad770999);
  CHECK(of("Nobody inspects the spammish repetition") == 0xfbcea83c8a378bf1);
}

TEST_CASE("damage: any flipped bit is found, and in the data the tensor is named") {
  const std::string whole = file_bytes(material().model);
  REQUIRE(error_of_model(whole).empty());
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), sizeof header);
  const Safetensors file = Safetensors::parse(std::as_bytes(std::span(whole)), "model");
  std::size_t missed = 0, unnamed = 0, flips = 0;
  for (std::size_t bit = 0; bit < 8 * whole.size(); bit += is_slow() ? 13 : 1) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    const std::string error = error_of_model(damaged);
    ++flips;
    missed += error.empty();
    if (bit / 8 < 8 + header) continue;
    const std::size_t place = bit / 8 - 8 - header;
    for (const auto& [name, entry] : file.entries())
      if (entry.begin <= place && place < entry.end) unnamed += !has(error, "tensor '" + name + "'");
  }
  CHECK(missed == 0);
  CHECK(unnamed == 0);
  MESSAGE(flips << " bits flipped");
}

TEST_CASE("damage: a file cut short at any length is refused") {
  const std::string whole = file_bytes(material().model);
  std::size_t missed = 0;
  for (std::size_t length = 0; length < whole.size(); length += is_slow() ? 17 : 1)
    missed += error_of_model(whole.substr(0, length)).empty();
  CHECK(missed == 0);
}

TEST_CASE("damage: models without digests, as they were written before, are read") {
  const TemporaryFolder folder;
  const std::string old = (folder / "old.safetensors").string();
  write_bytes(old, Parts(file_bytes(material().model)).file());
  const std::string picture = material().picture;
  const Ran before = run_program({"recognize", old, picture, "--threads", "1"});
  CHECK(before.status == 0);
  CHECK(before.out == run_program({"recognize", material().model, picture, "--threads", "1"}).out);
}

TEST_CASE("damage: each way in which a model file can be wrong has its line") {
  struct Row {
    std::string words;
    std::function<std::string(Parts)> make;
  };
  const auto metadata = [](const char* field, const std::string& value) {
    return [=](Parts parts) {
      parts.header["__metadata__"][field] = value;
      return parts.file();
    };
  };
  const Row rows[] = {
      {"0 bytes are too few", [](Parts) { return std::string(); }},
      {"not a safetensors file", [](Parts) { return std::string(1000, 'x'); }},
      {"header of 1152921504606846976 bytes", [](Parts parts) { return parts.file(std::uint64_t{1} << 60); }},
      {"not JSON", [](Parts parts) { return parts.file(9); }},
      {"cut short", [](Parts parts) { return parts.data.resize(parts.data.size() - 1), parts.file(); }},
      {"follow the last tensor", [](Parts parts) { return parts.data += "1234", parts.file(); }},
      {"cannot take",
       [](Parts parts) { return parts.header["output.bias"]["shape"][0] = 1'000'000'000, parts.file(); }},
      {"too large",
       [](Parts parts) {
         return parts.header["output.bias"]["shape"] = {UINT64_MAX, 2}, parts.file();
       }},
      {"must not overlap",
       [](Parts parts) {
         auto& entries = parts.header;
         entries["norm1.scale"]["data_offsets"] = entries["norm1.offset"]["data_offsets"];
         return parts.file();
       }},
      {"conv1.weight",
       [](Parts parts) {
         return parts.header["conv1.weight"]["shape"] = {3, 3, 4, 1}, parts.file();
       }},
      {"holds no tensor",
       [](Parts parts) {
         parts.header["other"] = parts.header["norm1.scale"];
         parts.header.erase("norm1.scale");
         return parts.file();
       }},
      {"1 tensors that its network does not have",
       [](Parts parts) {
         const std::size_t size = parts.data.size();
         parts.header["more"] = {{"dtype", "F32"}, {"shape", {1}}, {"data_offsets", {size, size + 4}}};
         return parts.data += "1234", parts.file();
       }},
      {"tensor 'conv1.weight' holds values that are infinite or not numbers",
       [](Parts parts) { return parts.set("conv1.weight", NAN), parts.file(); }},
      {"tensor 'output.weight' holds values that are infinite or not numbers",
       [](Parts parts) { return parts.set("output.weight", INFINITY), parts.file(); }},
      {"twice",
       [](Parts parts) {
         std::string file = parts.file();
         return file.replace(file.find("\"norm1.scale\""), 13, "\"norm1.offset\"").erase(file.find("  "), 1);
       }},
      {"written in layout 2, and this program reads 1; use a later tapeline", metadata("tapeline", "2")},
      {"\"preprocess\" in its metadata is not a JSON object", metadata("preprocess", "{nope")},
      {"\"metrics\" in its metadata is not a JSON object", metadata("metrics", std::string(100'000, '['))},
      {"units between 1 and 65536", metadata("network", "[1,20,60,1 S1(1x0)1,3 Lfx1000000000 O1c]")},
      {"bytes of parameters, and the file holds", metadata("network", "[1,20,60,1 S1(1x0)1,3 Lfx2000 O1c]")},
      {"given twice", metadata("charset", "aa")},
      {"the charset is empty", metadata("charset", "")},
      {"asks for the decoder", metadata("decoder", R"({"type":"beam"})")},
      {"contradicts the network's input",
       metadata("preprocess",
                R"({"channels":1,"height":30,"max_width":2048,"normalise":"per_image","width":60})")},
      {"this is not a Tapeline model",
       [](Parts parts) { return parts.header["__metadata__"].erase("network"), parts.file(); }},
      {"must be a whole number", metadata("preprocess", R"({"height":1e99})")},
  };
  const TemporaryFolder folder;
  const std::string path = (folder / "m.safetensors").string();
  const Parts parts(file_bytes(material().model));
  for (const Row& row : rows) {
    write_bytes(path, row.make(parts));
    const Ran ran = run_program({"recognize", path, material().picture, "--threads", "1"});
    CAPTURE(row.words);
    CAPTURE(ran.err);
    CHECK(ran.status == 1);
    CHECK(ran.err.starts_with("tapeline: " + path + ": "));
    CHECK(has(ran.err, row.words));
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    CHECK(ran.out.empty());
  }
}

TEST_CASE("damage: what a network makes not finite is told, and not passed off as a reading") {
  const TemporaryFolder folder;
  const std::string path = (folder / "m.safetensors").string();
  Parts parts(file_bytes(material().model));
  for (const char* tensor : {"conv1.weight", "norm1.scale", "output.weight"}) parts.fill(tensor, 3e38f);
  write_bytes(path, parts.file());
  const Ran ran = run_program({"recognize", path, material().picture, "--threads", "1"});
  CHECK(ran.status == 1);
  CHECK(has(ran.err, "cannot read " + material().picture + ": what " + path + " makes of it is not finite"));
  CHECK(ran.out.empty());
  const Ran evaluated =
      run_program({"evaluate", path, "--data", material().data, "--json", "--threads", "1"});
  REQUIRE(evaluated.status == 0);
  const nlohmann::json told = nlohmann::json::parse(evaluated.out);
  CHECK(told["not_finite"] == 12);
  CHECK(told["exact"] == 0);
}

TEST_CASE("damage: whatever a model says that it was validated on, verify opens no file for it") {
  const nlohmann::json said[] = {"/etc/passwd", "../data | first 3", 7, nullptr, {{"data", "x"}}};
  const TemporaryFolder folder;
  const std::string path = (folder / "m.safetensors").string();
  for (const nlohmann::json& validate : said) {
    Parts parts(file_bytes(material().model));
    nlohmann::json training =
        nlohmann::json::parse(parts.header["__metadata__"]["training"].get<std::string>());
    training["options"]["validate"] = validate;
    parts.header["__metadata__"]["training"] = training.dump();
    write_bytes(path, parts.file());
    const Ran ran = run_program({"verify", path, "--devices", "reference", "--limit", "2", "--threads", "1"});
    CAPTURE(validate.dump());
    CAPTURE(ran.err);
    CHECK(ran.status == 0);
    CHECK(has(ran.out, "All 2 texts are the same."));
    CHECK(has(ran.err, "rendered expressions") == validate.is_string());
  }
}

}  // namespace tapeline
