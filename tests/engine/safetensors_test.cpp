// What is written is read back; what is damaged or hostile gives an Error, whatever it is.

#include "engine/io/safetensors.h"
#include "engine/io/safetensors_digests.h"

#include <doctest/doctest.h>

#include <bit>
#include <cstring>
#include <limits>

#include "backends/registry.h"
#include "engine/io/atomic_file.h"
#include "engine/program.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

namespace tapeline {

namespace {

std::vector<std::byte> to_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// A file of this header, with its length before it, and `data` bytes behind.
std::string file_of(std::string_view header, std::size_t data = 0) {
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  return file.append(header).append(data, '\1');
}

Safetensors parse(const std::string& file) { return Safetensors::parse(to_bytes(file), "x.safetensors"); }

}  // namespace

TEST_CASE("safetensors: round trip of every type and shape") {
  const TemporaryFolder folder;
  const Device device = open_device("reference");
  const std::vector<float> floats{
      0.f,   -0.f, 1.5f, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::infinity(),
      -3e38f};
  const Tensor half(View{make_storage(device, 6), 0, DType::f16, {3}});
  const Tensor brain(View{make_storage(device, 6), 0, DType::bf16, {3}});
  const std::vector<std::byte> patterns = to_bytes("\x01\x3c\x02\x7b\x03\x80");
  for (const Tensor& t : {half, brain}) device->upload(*t.view().storage, 0, patterns);
  const std::vector<NamedTensor> tensors{
      {"weight", Tensor::from(device, {2, 3}, floats)},
      {"scalar", Tensor::from<double>(device, {}, {0.1})},
      {"counts", Tensor::from<std::int32_t>(device, {1, 2, 1}, {-5, 7})},
      {"pixels", Tensor::from<std::uint8_t>(device, {3}, {0, 128, 255})},
      {"nothing", Tensor::from<float>(device, {0, 4}, {})},
      {"half", half},
      {"brain \"\xC3\xA4\"\n", brain},
  };
  const std::map<std::string, std::string> metadata{{"network", "[1,60,180,1 Cl3,3,64]"},
                                                    {"charset", "\xC3\xA9\t\"\\"}};
  write_safetensors(folder / "a.safetensors", tensors, metadata);

  const Safetensors file = Safetensors::read(folder / "a.safetensors");
  CHECK(file.metadata() == metadata);
  CHECK(file.entries().size() == tensors.size());
  for (const NamedTensor& t : tensors) {
    const std::string name = t.name;
    const Tensor tensor = t.tensor;
    CAPTURE(name);
    CHECK(file.entry(name).dtype == tensor.dtype());
    CHECK(file.entry(name).shape == tensor.shape());
    std::vector<std::byte> bytes(tensor.view().bytes());
    device->download(*tensor.view().storage, tensor.view().offset, bytes);
    CHECK(std::ranges::equal(file.bytes(name), bytes));
  }
  const Tensor loaded = Tensor::zeros(device, {2, 3});
  file.load({"weight", loaded});
  CHECK(std::memcmp(loaded.to_vector<float>().data(), floats.data(), 24) == 0);

  std::vector<NamedTensor> backwards(tensors.rbegin(), tensors.rend());
  write_safetensors(folder / "b.safetensors", backwards, metadata);
  CHECK(read_text(folder / "a.safetensors") == read_text(folder / "b.safetensors"));
}

TEST_CASE("safetensors: the bytes, one by one") {
  const TemporaryFolder folder;
  const Device device = open_device("reference");
  write_safetensors(folder / "f",
                    {{"z", Tensor::from<float>(device, {1}, {1.f})},
                     {"a", Tensor::from<std::uint8_t>(device, {3}, {1, 2, 3})},
                     {"b", Tensor::from<float>(device, {1, 1}, {2.f})}},
                    {{"k", "v"}});
  const std::string z("\0\0\x80\x3f", 4), a("\1\2\3"), b("\0\0\0\x40", 4);
  const auto digest = [](std::string_view bytes) { return digest_text(std::as_bytes(std::span(bytes))); };
  const auto sealed = [](std::string header) {
    header.resize((header.size() + 7) / 8 * 8, ' ');
    seal_header(header);
    return header;
  };
  const std::string zeros = R"({"__metadata__":{"digest.header":"0000000000000000","digest.tensors":"{)";
  const std::string header = sealed(
      zeros +
      fmt::format(R"(\"a\":\"{}\",\"b\":\"{}\",\"z\":\"{}\"}}","k":"v"}},)", digest(a), digest(b),
                  digest(z)) +
      R"("b":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},)"
      R"("z":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})");
  CHECK(read_text(folder / "f") == file_of(header) + b + z + a);
  write_safetensors(folder / "none", {});
  CHECK(read_text(folder / "none") == file_of(sealed(zeros + "}\"}}")));
  CHECK(Safetensors::read(folder / "none").entries().empty());
}

TEST_CASE("safetensors: what cannot be written or loaded is named") {
  const TemporaryFolder folder;
  const Device device = open_device("reference");
  const Tensor t = Tensor::zeros(device, {2});
  CHECK_THROWS_AS(write_safetensors(folder / "f", {{"a", t}, {"b", t}, {"a", t}}), Error);
  CHECK_THROWS_AS(write_safetensors(folder / "f", {{"__metadata__", t}}), Error);
  CHECK_THROWS_AS(write_safetensors(folder / "f", {{"a", t}}, {{"k", "\xff"}}), Error);
  CHECK_THROWS_AS(write_safetensors(folder / "missing/f", {{"a", t}}), Error);
  CHECK(folder.names().empty());

  write_safetensors(folder / "f", {{"a", t}});
  const Safetensors file = Safetensors::read(folder / "f");
  const std::string name = (folder / "f").string();
  CHECK_THROWS_WITH_AS(file.load({"b", t}), (name + ": holds no tensor 'b', but 1 others").c_str(), Error);
  CHECK_THROWS_WITH_AS(
      file.load({"a", Tensor::zeros(device, {2, 1})}),
      (name + ": tensor 'a' is f32 [2], and f32 [2, 1] is wanted; the file belongs to another "
              "network")
          .c_str(),
      Error);
  CHECK_THROWS_AS(file.load({"a", Tensor::zeros(device, {2}, DType::i32)}), Error);
  CHECK_THROWS_AS(Safetensors::read(folder / "missing"), Error);
  CHECK_THROWS_AS(Safetensors::read(folder.path()), Error);
}

TEST_CASE("safetensors: cut short at every byte, and with every byte changed") {
  const TemporaryFolder folder;
  const Device device = open_device("reference");
  write_safetensors(folder / "f",
                    {{"a.weight", Tensor::zeros(device, {2, 2})}, {"b", Tensor::zeros(device, {1})}},
                    {{"charset", "0123456789+-*()"}});
  const std::string whole = read_text(folder / "f");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK_THROWS_AS(parse(whole.substr(0, length)), Error);
    write_file(folder / "cut", whole.substr(0, length));
    CHECK_THROWS_AS(Safetensors::read(folder / "cut"), Error);
  }
  CHECK_THROWS_AS(parse(whole + "x"), Error);
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const int flip : {0x01, 0x10, 0x80, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      try {  // either it is still a good file, whose tensors lie within it, or it is refused
        const Safetensors file = parse(changed);
        for (const auto& [name, entry] : file.entries())
          CHECK(file.bytes(name).size() ==
                static_cast<std::size_t>(entry.shape.elements()) * size_of(entry.dtype));
      } catch (const Error& error) {
        CHECK(has(error.what(), "x.safetensors: "));
      }
    }
}

TEST_CASE("safetensors: a good header in another style") {
  const Safetensors file =
      parse(file_of("\n{ \"b\" : {\"shape\":[], \"data_offsets\":[4,8],\"dtype\":\"I32\"},\n"
                    "\"a\":{\"dtype\":\"BF16\",\"shape\":[2,1],\"data_offsets\":[0,4]}, "
                    "\"__metadata__\":{} }  ",
                    8));
  CHECK(file.entry("a").dtype == DType::bf16);
  CHECK(file.entry("b").shape == Shape{});
  CHECK(file.bytes("b").size() == 4);
}

TEST_CASE("safetensors: hostile headers") {
  const auto tensor = [](std::string_view name, std::string_view dtype, std::string_view shape,
                         std::string_view offsets) {
    return fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{}]}})", name, dtype, shape,
                       offsets);
  };
  const auto check = [](const std::string& header, std::size_t data, const char* expected) {
    CAPTURE(header.substr(0, 200));
    const std::string message = error_of([&] { parse(file_of(header, data)); });
    CAPTURE(message);
    CHECK(has(message, expected));
    CHECK(has(message, "x.safetensors"));
  };
  const std::string good = tensor("a", "F32", "2", "0,8");
  CHECK(error_of([&] { parse(file_of("{" + good + "}", 8)); }) == "");

  check("{" + tensor("a", "F32", "2", "0,9") + "}", 9, "cannot take 9 bytes");
  check("{" + tensor("a", "F32", "3", "0,8") + "}", 8, "cannot take 8 bytes");
  check("{" + tensor("a", "F32", "2", "0,8") + "}", 7, "lies at bytes 0 to 8 of 7");
  check("{" + tensor("a", "F32", "2", "8,0") + "}", 8, "lies at bytes 8 to 0");
  check("{" + tensor("a", "F32", "2", "4,12") + "}", 12, "begins at byte 4, and the one before ends at 0");
  check("{" + good + "}", 9, "1 bytes follow the last tensor");
  check("{" + good + "," + tensor("b", "F32", "2", "4,12") + "}", 12, "overlap");
  check("{" + good + "," + tensor("b", "F32", "2", "0,8") + "}", 8, "overlap");
  check("{" + good + "," + tensor("b", "F32", "2", "12,20") + "}", 20, "gaps");
  check("{" + good + "," + good + "}", 8, "holds 'a' twice");
  check("{" + tensor("a", "F32", "0", "0,0") + "," + tensor("a", "F32", "0", "0,0") + "}", 0,
        "holds 'a' twice");
  check("{" + tensor("a", "C64", "1", "0,8") + "}", 8, "type 'C64'; known are F32, F64, F16, BF16, I32, U8");
  check("{" + tensor("a", "F32", "4611686018427387904,4", "0,8") + "}", 8, "more than 2^62 elements");
  check("{" + tensor("a", "F32", "9223372036854775807", "0,8") + "}", 8, "2^62");
  check("{" + tensor("a", "F64", "2305843009213693952", "0,0") + "}", 0, "cannot take 0 bytes");
  check("{" + tensor("a", "F32", "18446744073709551615", "0,8") + "}", 8, "too large");
  check("{" + tensor("a", "F32", "18446744073709551616", "0,8") + "}", 8, "too large");
  check("{" + tensor("a", "F32", "-2", "0,8") + "}", 8, "a negative number");
  check("{" + tensor("a", "F32", "2.0", "0,8") + "}", 8, "a fraction");
  check("{" + tensor("a", "F32", "1e999", "0,8") + "}", 8, "not JSON");
  check("{" + tensor("a", "F32", "1,1,1,1,1,1,2", "0,8") + "}", 8, "more than 6 numbers");
  check("{" + tensor("a", "F32", "2", "0") + "}", 8, "has 1 data_offsets");
  check("{" + tensor("a", "F32", "2", "0,8,16") + "}", 8, "has 3 data_offsets");
  check("{" + tensor("a", "F32", "2", "0,18446744073709551615") + "}", 8, "too large");
  check("{" + tensor("a", "F32", "2", "9223372036854775807,9223372036854775807") + "}", 8, "lies at bytes");
  check("{" + tensor("a", "F32", "[2]", "0,8") + "}", 8, "a list");
  check("{" + tensor("a", "F32", "\"2\"", "0,8") + "}", 8, "a text");
  check("{" + tensor("a", "F32", "null", "0,8") + "}", 8, "null");
  check("{" + tensor("a", "F32", "{}", "0,8") + "}", 8, "an object");
  check(R"({"a":{"dtype":"F32","shape":[2]}})", 8, "lacks data_offsets");
  check(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8, "lacks dtype");
  check(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "lacks shape");
  check(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "once each");
  check(R"({"a":{"dtype":"F32","shape":[],"shape":[2],"data_offsets":[0,8]}})", 8, "once each");
  check(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":true}})", 8, "a truth value");
  check(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":{}}})", 8, "an object");
  check(R"({"a":[1]})", 0, "'a' is a list");
  check(R"({"a":1})", 0, "'a' is a number");
  check(R"({"__metadata__":{"k":1}})", 0, "metadata 'k' is a number; only texts");
  check(R"({"__metadata__":{"k":"1","k":"1"}})", 0, "metadata hold 'k' twice");
  check(R"({"__metadata__":{},"__metadata__":{}})", 0, "twice");
  check(R"({"__metadata__":"x"})", 0, "a text");
  check(R"({"__metadata__":{"k":{}}})", 0, "an object");
  check("[]", 0, "the header is a list");
  check("7", 0, "the header is a number");
  check("{}{}", 0, "not JSON");
  check("", 0, "not JSON");
  check("{", 0, "not JSON");
  check(std::string(64, '\0'), 0, "not JSON");
  check("{\"\xff\":1}", 0, "not JSON");
  check("{\"" + std::string(5000, 'n') + "\":1}", 0, "a name of 5000 bytes");
  check(std::string(1'000'000, '['), 0, "the header is a list");
  std::string nested = "{\"a\":{\"shape\":";
  for (int i = 0; i < 100'000; ++i) nested += "{\"a\":";
  check(nested, 0, "an object");
}

TEST_CASE("safetensors: a header length beyond all bounds") {
  const TemporaryFolder folder;
  for (const std::uint64_t length : {std::uint64_t{1} << 60, ~std::uint64_t{0}, ~std::uint64_t{7},
                                     std::uint64_t{1} << 63, std::uint64_t{3}, std::uint64_t{100'000'001}}) {
    std::string file = file_of("{}");
    std::memcpy(file.data(), &length, 8);
    CHECK(has(error_of([&] { parse(file); }), "not a safetensors file, or cut short"));
    write_file(folder / "f", file);
    CHECK_THROWS_AS(Safetensors::read(folder / "f"), Error);
  }
  write_file(folder / "f", "");
  CHECK_THROWS_AS(Safetensors::read(folder / "f"), Error);

  // A terabyte of nothing, which no header describes, is refused before memory is asked for.
  write_file(folder / "f", file_of("{}"));
  std::filesystem::resize_file(folder / "f", std::uintmax_t{1} << 40);
  CHECK_THROWS_AS(Safetensors::read(folder / "f"), Error);
}

}  // namespace tapeline
