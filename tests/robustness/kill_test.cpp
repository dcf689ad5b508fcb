// Killed at any moment, a training goes on to the same bits as one that was never killed. The moments are
// random allocations, so that they lie anywhere in the work, and not only where files are written.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "apps/stop_signal.h"
#include "engine/random.h"
#include "tests/robustness/faults.h"
#include "tests/robustness/material.h"

namespace tapeline {

namespace fs = std::filesystem;

TEST_CASE("kill: a training that is killed at random moments ends with the same bits") {
  constexpr int kSteps = 8;
  const TemporaryFolder folder;
  const std::string never = (folder / "never").string(), often = (folder / "often").string();
  const Ran whole = run_program(train_command(never, kSteps));
  REQUIRE(whole.status == 0);
  const std::string last = file_bytes(never + "/last.safetensors"),
                    best = file_bytes(never + "/best.safetensors");

  Random random(11, 0);
  const std::int64_t wanted = cases("TAPELINE_KILLS", is_slow() ? 6 : 20);
  std::int64_t kills = 0;
  while (kills < wanted) {
    fs::remove_all(often);
    for (bool finished = false; !finished;) {
      const bool resumes = fs::exists(often + "/last.safetensors");
      const std::vector<std::string> go_on{"train", "--resume", "--output", often, "--threads", "1"};
      const auto at = static_cast<std::int64_t>(random.uniform() * static_cast<double>(whole.news)) + 1;
      const Ran ran = run_program(resumes ? go_on : train_command(often, kSteps), {Fault::killed_at_new, at});
      CAPTURE(at);
      CAPTURE(ran.err);
      if (ran.happened) {
        CHECK(ran.status == 128 + 9);
        ++kills;
      } else {
        REQUIRE(ran.status == 0);
      }
      finished = !ran.happened;
    }
    CHECK(file_bytes(often + "/last.safetensors") == last);
    CHECK(file_bytes(often + "/best.safetensors") == best);
  }
  MESSAGE(kills << " kills survived");
}

TEST_CASE("stop: one signal asks for the end, the same one twice too, and a later one ends it at once") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const Ran ran = run_in_child([&] {
      const StopSignal stop;
      if (stop.requested()) return 1;
      ::raise(signal);
      ::raise(signal);  // as some tools send it
      if (!stop.requested()) return 2;
      std::this_thread::sleep_for(std::chrono::milliseconds(600));
      ::raise(signal);
      return 3;
    });
    CHECK(ran.status == kInterrupted);
    CHECK(has(ran.err, "once more ends it at once"));
  }
}

TEST_CASE("lock: of two processes on one folder the second is told, and the first goes on") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  fs::create_directory(run);
  const int held = ::open(run.c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(::flock(held, LOCK_EX) == 0);
  for (const std::vector<std::string>& command :
       {train_command(run, 2),
        std::vector<std::string>{"synth", "expressions", "--output", run, "--count", "2"}}) {
    const Ran second = run_program(command);
    CHECK(second.status == 1);
    CHECK(has(second.err, run + ": another process is writing there"));
  }
  CHECK(fs::is_empty(run));
  ::close(held);
  CHECK(run_program(train_command(run, 2)).status == 0);
}

TEST_CASE("lock: what a killed process left unfinished is removed, and nothing else") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  fs::create_directory(run);
  for (const char* name : {".last.safetensors.123-4.tmp", ".notes.tmp", "a.123-4.tmp", ".x.12a-4.tmp"})
    write_bytes(run + "/" + name, "x");
  CHECK(run_program(train_command(run, 2)).status == 0);
  CHECK(!fs::exists(run + "/.last.safetensors.123-4.tmp"));
  for (const char* name : {".notes.tmp", "a.123-4.tmp", ".x.12a-4.tmp"}) CHECK(fs::exists(run + "/" + name));
}

}  // namespace tapeline
