// The sandbox of decoders: good pictures come through as they are, and a decoder that does anything but
// decode is ended, told of, and without harm to the next picture. The bad decoders stand for what a picture
// that breaks a decoder could make of it; the first letter of the "picture" says what.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "apps/decoder_sandbox.h"
#include "apps/syscall_filter.h"
#include "engine/error.h"
#include "tests/errors.h"
#include "tests/robustness/faults.h"
#include "tests/robustness/material.h"

namespace tapeline {

namespace {

std::string trap;  // a file that no decoder may make

volatile int never = 0;
void* volatile nowhere = nullptr;

[[gnu::noinline]] int endless(int depth) {
  volatile char page[4096];
  page[0] = static_cast<char>(depth);
  return never == 1 ? 0 : endless(depth + 1) + page[0];
}

Image bad_decoder(std::span<const std::byte> bytes, std::string_view name, int channels,
                  const ImageLimits& limits) {
  switch (std::to_integer<char>(bytes[0])) {
    case 'o':
      ::open(trap.c_str(), O_WRONLY | O_CREAT, 0600);
      break;
    case 'r':
      [[maybe_unused]] static char c;
      if (::read(0, &c, 1) == 1) break;
      break;
    case 'w':
      if (::write(STDERR_FILENO, "said\n", 5) == 5) break;
      break;
    case 's':
      ::socket(AF_INET, SOCK_STREAM, 0);
      break;
    case 'f':
      if (::fork() == 0) ::_exit(0);
      break;
    case 'k':
      ::kill(::getppid(), SIGKILL);
      break;
    case 'u':
      ::unlink(trap.c_str());
      break;
    case 'e':
      ::execl("/bin/touch", "touch", trap.c_str(), nullptr);
      break;
    case 'x':
      ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      break;
    case 'd':
      ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, 0, 0);
      break;
    case 'c':
      *static_cast<volatile char*>(nowhere) = 1;
      break;
    case 'a':
      std::abort();
    case 't':
      for (;;) never = 2;
    case 'm':
      for (std::vector<std::vector<char>> all;;) all.emplace_back(1 << 20, 'x');
    case 'R':
      return Image(endless(0), 1, 1);
    case 'z':
      ::_exit(0);  // ends well, without an answer
    case 'n': {
      Image image(1, 1, 1);
      image.width = image.height = 60'000;
      return image;
    }
    case 'j':
      throw Error("cannot read {}: \x1b[2J\r\n{}", name, std::string(5000, 'x'));
    default:
      return decode_image(bytes, name, channels, limits);
  }
  throw Error("cannot read {}: nothing stopped it", name);
}

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string error_of_picture(DecoderSandbox& sandbox, const std::string& bytes) {
  return error_of([&] { sandbox.decode(as_bytes(bytes), "x.png"); });
}

}  // namespace

TEST_CASE("sandbox: a decoder that does anything but decode is ended and told of" *
          doctest::skip(!has_syscall_filter())) {
  const TemporaryFolder folder;
  trap = (folder / "trap").string();
  DecoderSandbox sandbox(1, {}, bad_decoder);
  const std::string picture = file_bytes(material().picture);
  struct Row {
    std::string does;
    std::string words;
  };
  const std::string attack = "tried to do more than decode", crash = "ended badly",
                    long_or_large = "was ended;";
  std::vector<Row> rows{{"open", attack},
                        {"read", attack},
                        {"write", attack},
                        {"socket", attack},
                        {"fork", attack},
                        {"kill the keeper", attack},
                        {"unlink", attack},
                        {"exec", attack},
                        {"x: memory that can be run", attack},
                        {"d: map a file", attack},
                        {"zero: no answer", "gave back no picture"},
                        {"nonsense for an answer", "gave back no picture"},
                        {"jump about the terminal", "cannot read x.png: ?[2J??xxx"}};
  // The sanitizers say more than a decoder may, and have memory of their own.
  if (!is_slow())
    for (const Row& row : {Row{"crash", "ended badly (Segmentation fault)"}, Row{"abort", attack},
                           Row{"Recursion", crash}, Row{"memory without end", "took too much memory"}})
      rows.push_back(row);
  for (const Row& row : rows) {
    CAPTURE(row.does);
    const std::string error = error_of_picture(sandbox, row.does);
    CHECK(has(error, row.words));
    CHECK(error.starts_with("cannot read x.png"));
    CHECK(error.size() <= 1000);
    CHECK(folder.names().empty());
    CHECK(sandbox.decode(as_bytes(picture), "good.png").pixels ==
          decode_image(as_bytes(picture), "good.png").pixels);
  }
}

TEST_CASE("sandbox: pictures on many threads are those that are decoded without it" *
          doctest::skip(!has_syscall_filter())) {
  DecoderSandbox sandbox(2);
  const std::string picture = file_bytes(material().picture);
  const Image expected = decode_image(as_bytes(picture), "a");
  std::atomic<int> right = 0, told = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 10; ++i)
          if ((i + t) % 3 == 0)
            told += has(error_of_picture(sandbox, "no picture"), "x.png: not an image");
          else
            right += sandbox.decode(as_bytes(picture), "a").pixels == expected.pixels;
      });
  }
  CHECK(right + told == 40);
  CHECK(told > 10);
}

TEST_CASE("sandbox: recognize reads the same with it, tells what cannot be read, and goes on" *
          doctest::skip(!has_syscall_filter())) {
  const TemporaryFolder folder;
  const std::string bad = (folder / "bad.png").string(), &good = material().picture;
  write_bytes(bad, file_bytes(good).substr(0, 60));
  const std::vector<std::string> read{"recognize", material().model, good, bad, good, "--threads", "1"};
  const Ran without = run_program(read), with = run_program(read + std::vector<std::string>{"--sandbox"});
  CAPTURE(with.err);
  CHECK(with.status == 1);
  CHECK(with.out == without.out);
  CHECK(with.err == without.err);
  CHECK(has(with.err, bad));

  const std::vector<std::string> read_input{"recognize", material().model, "-", "--threads", "1"};
  const Ran in_sandbox = run_program(read_input, {}, file_bytes(good));
  CAPTURE(in_sandbox.err);
  CHECK(in_sandbox.status == 0);
  CHECK(in_sandbox.out ==
        run_program(read_input + std::vector<std::string>{"--no-sandbox"}, {}, file_bytes(good)).out);
}

}  // namespace tapeline
