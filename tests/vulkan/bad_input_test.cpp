// Machines whose Vulkan is not as it should be: the program says in one line what is wrong and what helps,
// and whatever needs no GPU goes on.

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/io/atomic_file.h"
#include "tests/apps/program.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

namespace tapeline {
namespace {

namespace fs = std::filesystem;

/// An environment variable for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* text = std::getenv(name)) before_ = text;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_.empty())
      ::unsetenv(name_);
    else
      ::setenv(name_, before_.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string before_;
};

const std::string kNetwork = "[1,20,60,1 Cl3,3,4,2,2 Bn Ar Mp2,2 S1(1x0)1,3 Lfx6 O1c]";

Outcome bench(const std::string& device, const std::string& batch = "2") {
  return run({"bench", "--network", kNetwork, "--device", device, "--batch", batch, "--steps", "1"});
}

/// Refused in one line that holds all of `words`; `devices` gives the same reason and goes on.
void check_refused(const std::vector<std::string>& words) {
  const Outcome outcome = bench("vulkan");
  CAPTURE(outcome.err);
  CHECK(outcome.status == 1);
  for (const std::string& word : words) CHECK(has(outcome.err, word));
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  const Outcome devices = run({"devices", "--json", "--threads", "1"});
  CHECK(devices.status == 0);
  bool listed = false;
  for (const auto& device : nlohmann::json::parse(devices.out))
    if (device["id"] == "vulkan" && device["usable"] == false)
      listed = has(device["reason"].get<std::string>(), words[0]);
  CHECK(listed);
  CHECK(bench("auto").status == 0);
}

}  // namespace

TEST_CASE("bad input: no loader") {
  const TemporaryFolder folder;
  for (const char* name : {"libvulkan.so.1", "libvulkan.so"}) write_file(folder / name, "not a library");
  const Variable path("LD_LIBRARY_PATH", folder.path().string());
  check_refused({"no Vulkan loader on this machine", "install"});
}

TEST_CASE("bad input: no driver, and files of drivers that are broken or name what is not there") {
  const TemporaryFolder folder;
  const fs::path file = folder / "icd.json";
  const Variable drivers("VK_DRIVER_FILES", file.string()), older("VK_ICD_FILENAMES", file.string());
  check_refused({"no usable Vulkan driver", "VK_DRIVER_FILES", "install"});
  for (
      const char* text :
      {"", "{\"file_format_version\": ", "random \x01\x02 bytes",
       R"({"file_format_version": "1.0.0", "ICD": {"library_path": "/no/such.so", "api_version": "1.3.0"}})"}) {
    CAPTURE(text);
    write_file(file, text);
    check_refused({"no usable Vulkan driver", "VK_DRIVER_FILES"});
  }
}

TEST_CASE("bad input: a device that is not there") {
  for (const char* id : {"vulkan:7", "vulkan:-1", "vulkan:no such name", "vulkan:99999999999999999999"}) {
    const Outcome outcome = bench(id);
    CAPTURE(outcome.err);
    CHECK(outcome.status == 1);
    CHECK(has(outcome.err, id));
    CHECK(has(outcome.err, "choose one of these"));
    CHECK(has(outcome.err, "vulkan:0"));
  }
}

TEST_CASE("bad input: a device by a part of its name") {
  const Outcome devices = run({"devices", "--json", "--threads", "1"});
  for (const auto& device : nlohmann::json::parse(devices.out))
    if (device["id"] == "vulkan:0") {
      const std::string name = device["name"];
      CHECK(bench("vulkan:" + name.substr(0, 6)).status == 0);
    }
}

TEST_CASE("bad input: a cache folder that cannot be written is one warning, random bytes in it none") {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  {
    const Variable cache("TAPELINE_CACHE", (folder / "file" / "cache").string());
    const Outcome outcome = bench("vulkan");
    CAPTURE(outcome.err);
    CHECK(outcome.status == 0);
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    CHECK(has(outcome.err, "TAPELINE_CACHE"));
  }
  const Variable cache("TAPELINE_CACHE", (folder / "cache").string());
  CHECK(bench("vulkan").status == 0);
  for (const auto& entry : fs::directory_iterator(folder / "cache"))
    write_file(entry.path(), std::string(777, '\x5a'));
  const Outcome outcome = bench("vulkan");
  CHECK(outcome.status == 0);
  CHECK(outcome.err.empty());
}

TEST_CASE("bad input: a batch that no memory holds") {
  const Outcome outcome =
      run({"bench", "--preset", "captcha", "--device", "vulkan", "--batch", "20000", "--steps", "1"});
  CAPTURE(outcome.err);
  CHECK(outcome.status == 1);
  CHECK(has(outcome.err, "out of memory"));
  CHECK(has(outcome.err, "MiB were asked for"));
  CHECK(has(outcome.err, "smaller batch"));
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(has(run({"bench", "--preset", "captcha", "--device", "vulkan", "--batch", "100000"}).err, "--batch"));
}

}  // namespace tapeline
