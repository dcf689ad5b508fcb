#include "tests/apps/program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace tapeline {

namespace {

std::string text_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void redirect(const std::string& path, int flags, int to) {
  const int file = ::open(path.c_str(), flags, 0600);
  if (file < 0 || ::dup2(file, to) < 0) ::_exit(99);
}

}  // namespace

RunningProgram::RunningProgram(const std::vector<std::string>& arguments, const std::string& input,
                               const std::string& output) {
  const char* program = std::getenv("TAPELINE_PROGRAM");
  if (!program)
    throw std::runtime_error("TAPELINE_PROGRAM does not name the program; start this with `meson test`");
  folder_ = (std::filesystem::temp_directory_path() / "tapeline-run-XXXXXX").string();
  if (!::mkdtemp(folder_.data())) throw std::runtime_error("mkdtemp " + folder_);
  std::ofstream(folder_ + "/in", std::ios::binary) << input;

  std::vector<char*> argv{const_cast<char*>(program)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    redirect(folder_ + "/in", O_RDONLY, STDIN_FILENO);
    redirect(output.empty() ? folder_ + "/out" : output, O_WRONLY | O_CREAT, STDOUT_FILENO);
    redirect(folder_ + "/err", O_WRONLY | O_CREAT, STDERR_FILENO);
    ::execv(program, argv.data());
    ::_exit(98);
  }
}

RunningProgram::~RunningProgram() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void RunningProgram::signal(int number) const { ::kill(pid_, number); }

Outcome RunningProgram::finish() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text_of(folder_ + "/out"),
          text_of(folder_ + "/err")};
}

Outcome run(const std::vector<std::string>& arguments, const std::string& input, const std::string& output) {
  return RunningProgram(arguments, input, output).finish();
}

bool wait_until(const std::function<bool()>& holds) {
  for (int i = 0; i < 2400; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

}  // namespace tapeline
