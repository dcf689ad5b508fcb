// A training whose numbers go wrong is stopped within one step, says why, and can go on without that step.

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/robustness/faults.h"
#include "tests/robustness/material.h"

namespace tapeline {

namespace {

using Words = std::vector<std::string>;

Words spoiled(const std::string& output, const Words& more) { return train_command(output, 6) + more; }

}  // namespace

TEST_CASE("divergence: a learning rate far too large is found at the next step, and blamed") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  const Ran ran = run_program(spoiled(run, {"--lr", "1e6"}));
  CHECK(ran.status == 1);
  CHECK(has(ran.err, "the loss of step 2 is"));
  CHECK(has(ran.err, "to blame is the update of step 1"));
  CHECK(has(ran.err, ", on expression "));
  CHECK(has(ran.err, "--lr"));
  CHECK(!std::filesystem::exists(run + "/last.safetensors"));
}

TEST_CASE(
    "divergence: a loss that is not a number names step, layer and pictures, and the checkpoint stays") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), last = run + "/last.safetensors";
  REQUIRE(run_program(train_command(run, 2)).status == 0);
  Parts parts(file_bytes(last));
  parts.set("conv1.weight", 3e38f);  // finite, but not with any picture
  write_bytes(last, parts.file());
  const std::string before = file_bytes(last);
  const Ran ran = run_program({"train", "--resume", "--output", run, "--steps", "6", "--threads", "1"});
  CAPTURE(ran.err);
  CHECK(ran.status == 1);
  CHECK(has(ran.err, "the loss of step 3 is"));
  CHECK(has(ran.err, "the first layer whose output is not finite is Cl3,3,4,2,2"));
  CHECK(has(ran.err, ": expression "));
  CHECK(file_bytes(last) == before);

  parts.set("conv1.weight", NAN);
  write_bytes(last, parts.file());
  const Ran refused = run_program({"train", "--resume", "--output", run, "--steps", "6", "--threads", "1"});
  CHECK(refused.status == 1);
  CHECK(has(refused.err, "tensor 'conv1.weight' holds values that are infinite or not numbers"));
}

TEST_CASE("divergence: --skip-bad-steps goes on without the step that is to blame, resumes, and counts") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  const Words once{"--lr", "1e6", "--schedule", "exponential:rate=1e-30,every=1", "--json"};
  const Ran ran = run_program(spoiled(run, once + Words{"--skip-bad-steps", "1"}));
  CAPTURE(ran.err);
  REQUIRE(ran.status == 0);
  const nlohmann::json told = nlohmann::json::parse(ran.out);
  CHECK(told["skipped_steps"] == nlohmann::json{0});
  CHECK(told["step"] == 6);
  const std::string last = file_bytes(run + "/last.safetensors");

  // Interrupted after the step that was left out, it ends with the same bits.
  const std::string again = (folder / "again").string();
  Words shorter = spoiled(again, once + Words{"--skip-bad-steps", "1"});
  for (std::string& word : shorter)
    if (word == "6") word = "2";
  REQUIRE(run_program(shorter).status == 0);
  REQUIRE(run_program({"train", "--resume", "--output", again, "--steps", "6", "--threads", "1"}).status ==
          0);
  CHECK(file_bytes(again + "/last.safetensors") == last);

  const Ran refused = run_program(spoiled((folder / "none").string(), once));
  CHECK(refused.status == 1);
  CHECK(has(refused.err, "--skip-bad-steps 1 goes on without"));
}

}  // namespace tapeline
