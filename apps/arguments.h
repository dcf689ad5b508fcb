#pragma once

// A subcommand's arguments: declared once, each with the variable that it sets, and help made from that.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"

namespace CLI {
class App;
}

namespace tapeline {

/// What was typed cannot be meant: exit status 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

class Arguments {
 public:
  explicit Arguments(CLI::App& app) : app_(app) {}

  /// An option with a value, or several values where T is a vector. `names` is "--batch" or "-o,--output".
  /// What `to` holds now is the default, and shown in the help unless it is empty; `to` must stay where it
  /// is. T is std::string, int, std::int64_t, std::uint64_t, double, float or std::vector<std::string>.
  template <typename T>
  void option(const std::string& names, T& to, const std::string& help);
  /// A number within [low, high].
  template <typename T>
  void option(const std::string& names, T& to, const std::string& help, T low, T high);
  /// One of these words.
  void choice(const std::string& names, std::string& to, const std::string& help,
              const std::vector<std::string>& words);
  void flag(const std::string& names, bool& to, const std::string& help);
  /// Without dashes, told by its place. `name` is for the help: "MODEL".
  void positional(const std::string& name, std::string& to, const std::string& help, bool required = true);
  void positionals(const std::string& name, std::vector<std::string>& to, const std::string& help);

  /// Lines for the end of the help.
  void examples(const std::string& lines);

  /// After parsing: whether the option was on the command line.
  bool given(const std::string& name) const;

 private:
  CLI::App& app_;
};

struct Command {
  const char* name;
  const char* about;
  /// Declares the arguments and returns what to run with them; that returns the exit status.
  std::function<int()> (*define)(Arguments& arguments);
};

/// Parses, then runs the command; returns the exit status. --help and --version are printed here. Throws
/// UsageError, which offers the nearest name where one is not known, and whatever the command throws.
int run_command_line(int argc, char** argv, std::span<const Command> commands);

}  // namespace tapeline
