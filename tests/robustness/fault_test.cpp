// The n-th system call that changes a file fails, or is the last; the n-th allocation fails. Whatever
// happens: every file is the old one or the new one, whole, and what cannot be done is said in one line.

#include <doctest/doctest.h>

#include <filesystem>
#include <map>

#include "tests/robustness/faults.h"
#include "tests/robustness/material.h"

namespace tapeline {

namespace {

namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;

/// The files of a folder and those below, without what a killed process may leave until the next one starts.
Files files_of(const fs::path& folder) {
  Files files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().extension() != ".tmp")
      files[fs::relative(entry.path(), folder).string()] = file_bytes(entry.path().string());
  return files;
}

bool leftovers(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".tmp") return true;
  return false;
}

/// One line that begins with the program's name, on the standard error output.
bool is_told(const Ran& ran) {
  const auto line = ran.err.rfind("tapeline: ");
  return line != ran.err.npos && ran.err.find('\n', line) == ran.err.size() - 1 && ran.err.size() - line > 20;
}

bool is_model(const std::string& path) {
  return run_program({"recognize", path, material().picture, "--threads", "1"}).status == 0;
}

struct Count {
  int faults = 0;
};

/// Goes on with a training of 4 steps to 6 under every fault at every call, and checks what is left.
void check_saving(Fault fault, std::int64_t stride, Count& count) {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  const std::vector<std::string> arguments{"train",   "--resume", "--output",  run,
                                           "--steps", "6",        "--threads", "1"};
  const auto begin = [&] {
    fs::remove_all(run);
    fs::copy(material().run, run);
  };
  begin();
  const Files before = files_of(run);
  REQUIRE(run_program(arguments).status == 0);
  const Files after = files_of(run);

  for (std::int64_t at = 1;; at += stride) {
    begin();
    const Ran ran = run_program(arguments, {fault, at});
    CAPTURE(static_cast<int>(fault));
    CAPTURE(at);
    CAPTURE(ran.err);
    if (at > ran.calls && !ran.happened) break;
    if (!ran.happened) continue;
    ++count.faults;
    const Files left = files_of(run);
    for (const char* name : {"best.safetensors", "last.safetensors"})
      CHECK((left.at(name) == before.at(name) || left.at(name) == after.at(name)));
    if (left.contains("curves.png"))
      CHECK(
          left.at("curves.png").ends_with(after.at("curves.png").substr(after.at("curves.png").size() - 8)));
    if (fault == Fault::killed) {
      CHECK(ran.status == 128 + 9);
    } else {
      CHECK(!leftovers(run));
      if (fault == Fault::short_write || fault == Fault::interrupted) {
        CHECK(ran.status == 0);
      } else if (ran.status != 0) {
        CHECK(ran.status == 1);
        CHECK(is_told(ran));
      }
    }
    if (ran.status == 0) {
      CHECK(left.at("last.safetensors") == after.at("last.safetensors"));
    } else {  // and it can go on from there, to the same bits
      const Ran again = run_program(arguments);
      CAPTURE(again.err);
      CHECK(again.status == 0);
      CHECK(!leftovers(run));
      CHECK(files_of(run).at("last.safetensors") == after.at("last.safetensors"));
      CHECK(files_of(run).at("best.safetensors") == after.at("best.safetensors"));
    }
  }
}

}  // namespace

TEST_CASE("faults: a checkpoint cut at every system call is the old one or the new one, and goes on") {
  Count count;
  for (const Fault fault :
       {Fault::killed, Fault::io_error, Fault::disk_full, Fault::short_write, Fault::interrupted})
    check_saving(fault, is_slow() ? 5 : 1, count);
  MESSAGE(count.faults << " faults at system calls of a save");
  CHECK(count.faults > (is_slow() ? 20 : 100));
}

TEST_CASE("faults: synth leaves a whole data set or none") {
  const TemporaryFolder folder;
  const std::string output = (folder / "out").string();
  const std::vector<std::string> arguments{"synth",   "expressions", "--output",  output,
                                           "--count", "3",           "--threads", "1"};
  REQUIRE(run_program(arguments).status == 0);
  const Files whole = files_of(output);
  int faults = 0;
  for (const Fault fault : {Fault::killed, Fault::io_error, Fault::disk_full})
    for (std::int64_t at = 1;; ++at) {
      fs::remove_all(output);
      const Ran ran = run_program(arguments, {fault, at});
      if (!ran.happened) break;
      ++faults;
      CAPTURE(static_cast<int>(fault));
      CAPTURE(at);
      CAPTURE(ran.err);
      if (ran.status == 0 || fs::exists(output + "/labels.tsv")) CHECK(files_of(output) == whole);
      if (ran.status != 0 && fault != Fault::killed) {
        CHECK(ran.status == 1);
        CHECK(is_told(ran));
      }
      // What a killed one left is no obstacle to the next.
      if (at % 4 == 0 && ran.status != 0) {
        CHECK(run_program(arguments + std::vector<std::string>{"--force"}).status == 0);
        CHECK(files_of(output) == whole);
      }
    }
  MESSAGE(faults << " faults at system calls of synth");
  CHECK(faults > 30);
}

TEST_CASE("faults: results that cannot be written are told") {
  for (const std::string option : {"--html", "--png"}) {
    const TemporaryFolder folder;
    const std::string sheet = (folder / "sheet").string();
    for (std::int64_t at = 1;; ++at) {
      const Ran ran =
          run_program({"recognize", material().model, material().picture, "--threads", "1", option, sheet},
                      {Fault::disk_full, at});
      CAPTURE(ran.err);
      if (!ran.happened) {
        CHECK(at > 3);
        break;
      }
      CHECK((ran.status == 1 || fs::exists(sheet)));
      CHECK((is_told(ran) || ran.status == 0));
      fs::remove(sheet);
      CHECK(folder.names().empty());
    }
  }
}

TEST_CASE("faults: whichever allocation fails, it is told, and nothing is half written") {
  const TemporaryFolder folder;
  const std::string output = (folder / "out").string();
  const std::vector<std::vector<std::string>> commands{
      train_command(output, 2),
      {"evaluate", material().model, "--data", material().data, "--threads", "1"},
      {"recognize", material().model, material().picture, "--threads", "1"},
      {"synth", "expressions", "--output", output, "--count", "2", "--threads", "1"}};
  // With TAPELINE_EVERY_ALLOCATION=1 it is each; otherwise some of the first 500, and as many of the later
  // ones.
  const std::int64_t most = 500, stride = cases("TAPELINE_EVERY_ALLOCATION", is_slow() ? 23 : 4);
  int faults = 0;
  for (const auto& command : commands) {
    const std::int64_t all = (fs::remove_all(output), run_program(command).news);
    // The first ones read the command line; the work itself comes after, so these go over the whole of it.
    const std::int64_t step = stride == 1 ? 1 : std::max<std::int64_t>(stride, all / most * stride);
    for (std::int64_t at = 1; at <= all; at += at < most ? stride : step) {
      fs::remove_all(output);
      const Ran ran = run_program(command, {Fault::no_memory, at});
      if (!ran.happened) continue;
      ++faults;
      CAPTURE(command[0]);
      CAPTURE(at);
      CAPTURE(ran.err);
      CHECK((ran.status == 0 || ran.status == 1));
      CHECK((ran.status == 0 || is_told(ran)));
      if (!fs::exists(output)) continue;
      CHECK(!leftovers(output));
      for (const auto& [name, bytes] : files_of(output))
        if (name.ends_with(".safetensors") && at % 8 == 1) CHECK(is_model(output + "/" + name));
    }
  }
  MESSAGE(faults << " allocations that failed");
  CHECK(faults > (is_slow() ? 60 : 400));
}

}  // namespace tapeline
