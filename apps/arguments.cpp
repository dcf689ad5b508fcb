// The only file that knows CLI11.

#include "apps/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "models/text/edit_distance.h"
#include "models/text/utf8.h"

namespace tapeline {

namespace {

constexpr const char* kVersion = "tapeline 0.1.0";

template <typename T>
std::string type_name() {
  if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<std::string>>)
    return "TEXT";
  else
    return std::is_floating_point_v<T> ? "NUMBER" : "N";
}

/// In lines of at most 84 characters; CLI11 indents them.
std::string wrapped(const std::string& help) {
  constexpr std::size_t kWidth = 84;
  std::string result;
  std::size_t line = 0;
  for (std::size_t at = 0; at < help.size();) {
    const std::size_t end = std::min(help.find(' ', at), help.size());
    const std::size_t word = end - at;
    const bool breaks = line > 0 && line + 1 + word > kWidth;
    if (line > 0) result += breaks ? '\n' : ' ';
    result.append(help, at, word);
    line = breaks ? word : line + (line > 0) + word;
    at = end + 1;
  }
  return result;
}

template <typename T>
CLI::Option* declare(CLI::App& app, const std::string& names, T& to, const std::string& help) {
  CLI::Option* option = app.add_option(names, to, wrapped(help))->type_name(type_name<T>());
  if constexpr (!std::is_same_v<T, std::vector<std::string>>) {
    const std::string otherwise = fmt::format("{}", to);
    if (!otherwise.empty()) option->default_str(otherwise);
  }
  return option;
}

/// The candidate that is nearest to what was typed, or nothing where none is near.
std::string nearest(std::string_view typed, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t least = 1 + std::max<std::size_t>(2, typed.size() / 3);
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(typed, candidate);
    const bool begins = typed.size() >= 3 && candidate.starts_with(typed);
    if (distance < least || (begins && best.empty())) best = candidate, least = std::min(distance, least);
  }
  return best;
}

std::string did_you_mean(std::string_view typed, const std::vector<std::string>& candidates) {
  if (!is_valid_utf8(typed)) return ".";
  const std::string best = nearest(typed, candidates);
  return best.empty() ? "." : fmt::format("; did you mean {}?", best);
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// An argument that nobody took, said as people would.
[[noreturn]] void fail_at_extra(const CLI::App& command, const std::string& extra) {
  const std::string name = extra.substr(0, extra.find('='));
  const std::string help = fmt::format("`tapeline {} --help` lists all", command.get_name());
  if (extra.starts_with("-"))
    throw UsageError("{} has no option {}{} {}", command.get_name(), name,
                     did_you_mean(name, option_names(command)), help);
  throw UsageError("{} does not know what to do with \"{}\"; {}", command.get_name(), extra, help);
}

void check_command(int argc, char** argv, std::span<const Command> commands) {
  if (argc < 2 || std::string_view(argv[1]).starts_with("-")) return;
  std::vector<std::string> names;
  std::string list;
  for (const Command& command : commands) {
    if (command.name == std::string_view(argv[1])) return;
    names.emplace_back(command.name);
    list += fmt::format("{}{}", list.empty() ? "" : ", ", command.name);
  }
  throw UsageError("there is no command \"{}\"{} The commands are {}", argv[1], did_you_mean(argv[1], names),
                   list);
}

}  // namespace

template <typename T>
void Arguments::option(const std::string& names, T& to, const std::string& help) {
  declare(app_, names, to, help);
}

template <typename T>
void Arguments::option(const std::string& names, T& to, const std::string& help, T low, T high) {
  declare(app_, names, to, help)
      ->check(
          [low, high](const std::string& text) -> std::string {
            T value{};
            if (!CLI::detail::lexical_cast(text, value)) return "";  // CLI11 says it itself
            return value >= low && value <= high ? "" : fmt::format("{} is not in [{}, {}]", text, low, high);
          },
          "");
}

template void Arguments::option(const std::string&, std::string&, const std::string&);
template void Arguments::option(const std::string&, std::vector<std::string>&, const std::string&);
template void Arguments::option(const std::string&, std::uint64_t&, const std::string&);
template void Arguments::option(const std::string&, double&, const std::string&);
template void Arguments::option(const std::string&, int&, const std::string&, int, int);
template void Arguments::option(const std::string&, float&, const std::string&, float, float);
template void Arguments::option(const std::string&, double&, const std::string&, double, double);
template void Arguments::option(const std::string&, std::int64_t&, const std::string&, std::int64_t,
                                std::int64_t);

void Arguments::choice(const std::string& names, std::string& to, const std::string& help,
                       const std::vector<std::string>& words) {
  declare(app_, names, to, fmt::format("{}: {}", help, fmt::join(words, ", ")))
      ->check(
          [words](const std::string& text) -> std::string {
            if (std::find(words.begin(), words.end(), text) != words.end()) return "";
            return fmt::format("\"{}\" is none of {}", text, fmt::join(words, ", "));
          },
          "");
}

void Arguments::flag(const std::string& names, bool& to, const std::string& help) {
  app_.add_flag(names, to, wrapped(help));
}

void Arguments::positional(const std::string& name, std::string& to, const std::string& help, bool required) {
  app_.add_option(name, to, wrapped(help))->type_name("")->required(required);
}

void Arguments::positionals(const std::string& name, std::vector<std::string>& to, const std::string& help) {
  app_.add_option(name, to, wrapped(help))->type_name("")->required();
}

void Arguments::examples(const std::string& lines) { app_.footer("Examples:\n" + lines); }

// Not by app_.get_option(): it allocates in functions that may not throw.
bool Arguments::given(const std::string& name) const {
  for (const CLI::Option* option : std::as_const(app_).get_options())
    for (const std::string& known : option->get_lnames())
      if (name.size() == known.size() + 2 && name.ends_with(known)) return option->count() > 0;
  throw Error("there is no option {}", name);
}

int run_command_line(int argc, char** argv, std::span<const Command> commands) {
  check_command(argc, argv, commands);
  CLI::App app("Trains text recognisers and reads pictures with them.", "tapeline");
  app.set_version_flag("--version", kVersion, "Print the version and end");
  app.set_help_flag("-h,--help", "Print this and end");
  app.footer("`tapeline COMMAND --help` tells more, with examples.");
  app.get_formatter()->column_width(32);
  std::vector<std::pair<CLI::App*, std::function<int()>>> runs;
  for (const Command& command : commands) {
    CLI::App* sub = app.add_subcommand(command.name, command.about);
    Arguments arguments(*sub);
    runs.emplace_back(sub, command.define(arguments));
  }
  const auto chosen = [&] {
    return std::find_if(runs.begin(), runs.end(), [](const auto& run) { return run.first->parsed(); });
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    const auto run = chosen();
    if (run == runs.end()) throw UsageError("{}; `tapeline --help` lists the commands", error.what());
    for (const std::string& extra : run->first->remaining())
      if (extra != "--") fail_at_extra(*run->first, extra);
    throw UsageError("{}: {}; `tapeline {} --help` lists all options", run->first->get_name(), error.what(),
                     run->first->get_name());
  }
  if (const auto run = chosen(); run != runs.end()) return run->second();
  throw UsageError("give a command; `tapeline --help` lists them");
}

}  // namespace tapeline
