#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace tapeline {

/// `name:key=value,key=value,flag`, as optimisers and schedules are written on a command line. Taking an
/// option removes it; what is left at the end was not known.
class OptionText {
 public:
  /// `what` ("optimizer") begins every message. Throws on an empty name or key, and on a key given twice.
  OptionText(std::string what, std::string_view text);

  const std::string& name() const { return name_; }
  /// The number under `key`, or `otherwise`. Throws unless it is a finite number in [low, high].
  double number(const std::string& key, double otherwise, double low, double high);
  /// Whether `key` is there. Throws when it has a value other than true or false.
  bool flag(const std::string& key);
  /// The text under `key`, or an empty one.
  std::string text(const std::string& key);
  /// Throws, listing all `known` options, when something has not been taken.
  void finish(std::initializer_list<std::string_view> known) const;
  /// Throws: there is no such name, but these.
  [[noreturn]] void unknown_name(std::initializer_list<std::string_view> known) const;

 private:
  std::string what_, name_;
  std::map<std::string, std::string> options_;
};

/// The whole of `text` as a finite number. Throws, naming `what`.
double parse_number(std::string_view what, std::string_view text);

}  // namespace tapeline
