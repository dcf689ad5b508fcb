#pragma once

// What a person should know though the work goes on. Libraries do not print: the program says where to.

#include <functional>
#include <string>

namespace tapeline {

/// Hands the text to whoever listens, once in a process for each text. Any thread.
void warn(const std::string& text);

/// From now on; nobody listens at first, or after an empty function is given.
void on_warning(std::function<void(const std::string&)> listener);

}  // namespace tapeline
