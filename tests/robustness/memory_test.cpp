// No file takes more than four times its own size and 64 MiB, whatever is in it. Each of these is made to
// take as much as it can of the reader that it is for.

#include <doctest/doctest.h>
#include <malloc.h>
#include <sys/resource.h>

#include <chrono>

#include "engine/error.h"
#include "models/data/loader.h"
#include "models/image/image_io.h"
#include "models/image/stb.h"
#include "tests/robustness/faults.h"
#include "tests/robustness/material.h"

namespace tapeline {

namespace {

std::string repeated(const std::string& text, std::size_t bytes) {
  std::string result;
  result.reserve(bytes + text.size());
  while (result.size() < bytes) result += text;
  return result;
}

/// Of this process and its children, while it lives.
class MemoryLimit {
 public:
  explicit MemoryLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &limit);
  }
  ~MemoryLimit() { ::setrlimit(RLIMIT_AS, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

/// "part0part1part2...", with a number for each '#'.
std::string numbered(const std::string& part, std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i)
    for (const char c : part) c == '#' ? result += std::to_string(i) : result += c;
  return result;
}

std::string safetensors(std::string header) {
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> 8 * i);
  return length + header;
}

std::string png(int width, int height, int channels) {
  Image image(width, height, channels);
  const auto bytes = encode_png(image);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string jpeg(int width, int height) {
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width) * height * 3, 255);
  std::string bytes;
  const auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  stbi_write_jpg_to_func(append, &bytes, width, height, 3, pixels.data(), 50);
  return bytes;
}

/// A tar of so many empty members, of which the first is a list with this in it, in a folder with a long
/// name.
std::string tar(const std::string& list, std::size_t members, std::size_t folder = 4000) {
  std::string file;
  const auto add = [&](const std::string& name, const std::string& content, char type) {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    header.replace(124, 11, fmt::format("{:011o}", content.size()));
    header[156] = type;
    header.replace(148, 8, 8, ' ');
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    header.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
    file += header + content + std::string((512 - content.size() % 512) % 512, '\0');
  };
  add("long", std::string(folder, 'd') + "/labels.tsv", 'L');
  add("x", list, '0');
  for (std::size_t i = 0; i < members; ++i) add(std::to_string(i) + ".png", "", '0');
  return file;
}

}  // namespace

TEST_CASE("memory: no file takes more than four times its size and 64 MiB" * doctest::skip(is_slow())) {
  const TemporaryFolder folder;
  struct Row {
    std::string name, bytes;
    bool data = false;  // for evaluate --data, instead of a picture or a model
  };
  const std::string model = material().model, picture = material().picture;
  const Row rows[] = {
      {"list of short lines", repeated("a\tb\n", 1 << 20), true},
      {"list of no lines", repeated("\n", 1 << 22), true},
      {"list of wrong lines", repeated("x\n", 1 << 22), true},
      {"list of paths outside", repeated("/a b\n", 1 << 20), true},
      {"list in a folder with a long name.tar", tar(repeated("a\tb\n", 1 << 18), 0), true},
      {"wrong list in a folder with a long name.tar", tar(repeated("a\n", 1 << 18), 0), true},
      {"name that no file has.tar", tar(repeated("a\tb\n", 1 << 18), 0, 100'000), true},
      {"many members.tar", tar("", 20'000), true},
      {"metadata.safetensors",
       safetensors(R"({"__metadata__":{)" + numbered(R"("#":"",)", 650'000) + R"("":""}})")},
      {"tensors.safetensors",
       safetensors("{" + numbered(R"("#":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)", 50'000) +
                   R"("a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})")},
      {"nested.safetensors", safetensors(R"({"a":)" + std::string(1 << 22, '['))},
      {"shape.safetensors", safetensors(R"({"a":{"dtype":"F32","shape":[)" + repeated("1,", 1 << 22))},
      {"grey.png", png(4096, 4096, 1)},
      {"colour.png", png(2364, 2364, 3)},
      {"grey.pgm", "P5 4096 4096 255\n" + std::string(1 << 24, 'x')},
      {"colour.jpg", jpeg(2364, 2364)},
  };
  const auto read = [&](const Row& row) {
    const std::string path = (folder / row.name).string();
    write_bytes(path, row.bytes);
    const std::vector<std::string> once{"--threads", "1", "--device", "cpu"};
    if (row.data) return run_program(std::vector<std::string>{"evaluate", model, "--data", path} + once);
    const bool is_model = row.name.ends_with("safetensors");
    return run_program(std::vector<std::string>{"recognize", is_model ? path : model, picture} + once +
                       (is_model ? std::vector<std::string>{} : std::vector<std::string>{path}));
  };
  const Row small{"small.png", png(60, 20, 1)};
  const MemoryLimit limit(std::size_t{2} << 30);  // so that what goes wrong does no harm
  std::int64_t most = 0;
  for (const Row& row : rows) {
    ::malloc_trim(0);  // what this process has free, a child would have for nothing
    const std::int64_t idle = read(small).memory;
    const Ran ran = read(row);
    CAPTURE(row.name);
    CAPTURE(ran.err.substr(0, 300));
    const std::int64_t allowed = 4 * static_cast<std::int64_t>(row.bytes.size()) + (64 << 20);
    const std::int64_t taken = ran.memory - idle;
    CHECK(ran.status < 128);
    CHECK(taken <= allowed);
    most = std::max(most, 100 * taken / allowed);
    MESSAGE(fmt::format("{}: {} KiB take {} KiB", row.name, row.bytes.size() >> 10, taken >> 10));
  }
  MESSAGE("at most " << most << " % of what is allowed");
}

TEST_CASE("memory: nor does a list, until its pictures are trained with, and into the second epoch" *
          doctest::skip(is_slow())) {
  const TemporaryFolder folder;
  write_bytes((folder / "a.pgm").string(), "P5 1 1 255\nx");
  const std::int64_t lines = cases("TAPELINE_LIST_LINES", 500'000);
  const auto list = [&](const std::string& name, const std::string& line, std::int64_t count) {
    write_bytes((folder / name).string(), repeated(line, line.size() * static_cast<std::size_t>(count)));
    return (folder / name).string();
  };
  const auto learn_from = [](const std::string& path, int width) {
    return run_in_child(
        [&] {
          const DatasetPtr data = open_dataset(path);
          LoaderOptions options;
          options.preprocess = {.height = 8, .width = width};
          options.order.group_widths = width == 0;
          options.labels = LabelRules{collect_charset(*data), {}};
          DataReport report = check_dataset(*data, options.preprocess, options.labels);
          options.start = data->size() / static_cast<std::size_t>(options.order.batch_size) - 1;
          try {
            Loader loader(data, std::move(report), options);
            return loader.next() && loader.next() ? 0 : 1;
          } catch (const Error& error) {
            fmt::print("{}", error.what());
            return 2;
          }
        },
        {}, kPatience);
  };
  struct Row {
    std::string name, line;
    int width, status;
  };
  const Row rows[] = {{"one width.txt", "a.pgm\t123\n", 8, 0},
                      {"any width.txt", "a.pgm\t123\n", 0, 0},
                      {"missing.txt", "images/b.pgm\t123\n", 8, 2}};
  const std::string few = list("few.txt", "a.pgm\t1\n", 100);
  for (const Row& row : rows) {
    const std::string path = list(row.name, row.line, lines);
    ::malloc_trim(0);
    const std::int64_t idle = learn_from(few, row.width).memory;
    const auto begin = std::chrono::steady_clock::now();
    const Ran ran = learn_from(path, row.width);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    const std::int64_t bytes = lines * static_cast<std::int64_t>(row.line.size());
    CAPTURE(row.name);
    CAPTURE(ran.err);
    CHECK(ran.status == row.status);
    CHECK((row.status == 0 || has(ran.out, fmt::format("none of the {} samples can be used", lines))));
    CHECK(ran.memory - idle <= 4 * bytes + (64 << 20));
    MESSAGE(fmt::format("{}: {} lines, {} KiB, take {} KiB and {:.1f} s", row.name, lines, bytes >> 10,
                        (ran.memory - idle) >> 10, seconds.count()));
  }
}

}  // namespace tapeline
