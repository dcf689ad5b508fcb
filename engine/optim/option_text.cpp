#include "engine/optim/option_text.h"

#include <fmt/ranges.h>

#include <charconv>
#include <cmath>

#include "engine/error.h"

namespace tapeline {

double parse_number(std::string_view what, std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || !std::isfinite(value))
    throw Error("{}: '{}' is not a number; write one such as 0.1 or 1e-3", what, text);
  return value;
}

OptionText::OptionText(std::string what, std::string_view text) : what_(std::move(what)) {
  const std::size_t colon = text.find(':');
  name_ = text.substr(0, colon);
  if (name_.empty()) throw Error("{}: '{}' does not begin with a name", what_, text);
  std::string_view rest = colon == text.npos ? "" : text.substr(colon + 1);
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view option = rest.substr(0, comma);
    rest = comma == rest.npos ? "" : rest.substr(comma + 1);
    const std::size_t equals = option.find('=');
    const std::string key(option.substr(0, equals));
    if (key.empty())
      throw Error("{}: '{}' has an option without a name; write key=value,key=value", what_, text);
    const std::string value(equals == option.npos ? "true" : option.substr(equals + 1));
    if (!options_.emplace(key, value).second) throw Error("{}: '{}' gives {} twice", what_, text, key);
  }
}

std::string OptionText::text(const std::string& key) {
  const auto found = options_.find(key);
  if (found == options_.end()) return {};
  const std::string value = found->second;
  options_.erase(found);
  return value;
}

double OptionText::number(const std::string& key, double otherwise, double low, double high) {
  if (!options_.contains(key)) return otherwise;
  const std::string what = fmt::format("{} {}: {}", what_, name_, key);
  const double value = parse_number(what, text(key));
  if (value < low || value > high) throw Error("{} is {}, but must lie in {} to {}", what, value, low, high);
  return value;
}

bool OptionText::flag(const std::string& key) {
  if (!options_.contains(key)) return false;
  const std::string value = text(key);
  if (value != "true" && value != "false")
    throw Error("{} {}: {} is '{}'; it is true where it stands alone, and can be true or false", what_, name_,
                key, value);
  return value == "true";
}

void OptionText::finish(std::initializer_list<std::string_view> known) const {
  if (options_.empty()) return;
  if (known.size() == 0)
    throw Error("{} {} takes no options, but has {}", what_, name_, options_.begin()->first);
  throw Error("{} {}: no option {}; there are: {}", what_, name_, options_.begin()->first,
              fmt::join(known, ", "));
}

void OptionText::unknown_name(std::initializer_list<std::string_view> known) const {
  throw Error("{}: there is no '{}'; there are: {}", what_, name_, fmt::join(known, ", "));
}

}  // namespace tapeline
