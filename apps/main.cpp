// tapeline: one program, one subcommand a file in apps/commands.
// Exit status: 0 done, 1 failed, 2 not understood, 130 interrupted.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <sstream>
#include <string>

#include "apps/commands/commands.h"
#include "apps/terminal.h"
#include "backends/registry.h"
#include "engine/warning.h"

namespace {

constexpr tapeline::Command kCommands[] = {
    {"synth", "Render captchas of arithmetic expressions, with their labels", tapeline::define_synth},
    {"train", "Train a recogniser", tapeline::define_train},
    {"evaluate", "Measure how well a model reads pictures whose texts are known", tapeline::define_evaluate},
    {"recognize", "Read pictures", tapeline::define_recognize},
    {"inspect", "Show the layers of a model, preset or network", tapeline::define_inspect},
    {"devices", "List what can be computed on", tapeline::define_devices},
    {"bench", "Measure speed and memory", tapeline::define_bench},
    {"profile", "Show where the time goes, kernel by kernel", tapeline::define_profile},
    {"verify", "Compare what devices compute with the CPU, layer by layer", tapeline::define_verify},
    {"warm", "Have a GPU's driver compile ahead what a network needs", tapeline::define_warm},
};

constexpr const char* kOutOfMemory = "out of memory; a smaller --batch may help";

thread_local bool memory_ran_out = false;

/// What `new` calls when there is no memory.
[[noreturn]] void note_and_throw() {
  memory_ran_out = true;
  throw std::bad_alloc();
}

/// Whether the program ends for want of memory. Inlined functions that promise not to throw end it before
/// there is a current exception.
bool ends_without_memory() {
  const std::exception_ptr error = std::current_exception();
  if (!error) return memory_ran_out && std::uncaught_exceptions() > 0;
  try {
    std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (...) {
    return false;
  }
}

/// Libraries that we use run out of memory in functions that promise not to throw (libstdc++, where it lists
/// a folder), which ends the program here.
[[noreturn]] void end() {
  if (!ends_without_memory()) std::abort();
  std::fprintf(stderr, "tapeline: %s\n", kOutOfMemory);
  std::_Exit(1);
}

/// Of what was not understood; such messages list what there is, a line each.
std::string printable_lines(const std::string& text) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    if (!result.empty()) result += '\n';
    result += tapeline::printable(line);
  }
  return result;
}

int fail(const char* what, int status) {
  fmt::print(stderr, "tapeline: {}\n", what);
  if (tapeline::device_left_at_work()) {
    std::fflush(stdout);
    std::_Exit(status);
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  std::set_new_handler(note_and_throw);
  std::set_terminate(end);
  tapeline::on_warning(
      [](const std::string& text) { fmt::print(stderr, "tapeline: {}\n", tapeline::printable(text)); });
  try {
    const int status = tapeline::run_command_line(argc, argv, kCommands);
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
      return fail("the results cannot be written to the standard output; is the disk full?", 1);
    return status;
  } catch (const tapeline::UsageError& error) {
    return fail(printable_lines(error.what()).c_str(), 2);
  } catch (const std::bad_alloc&) {
    return fail(kOutOfMemory, 1);
  } catch (const std::exception& error) {
    return fail(tapeline::printable(error.what()).c_str(), 1);
  }
}
