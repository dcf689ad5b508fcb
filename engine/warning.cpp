#include "engine/warning.h"

#include <mutex>
#include <set>

namespace tapeline {

namespace {

struct Warnings {
  std::mutex mutex;
  std::function<void(const std::string&)> listener;
  std::set<std::string> said;
};

Warnings& warnings() {
  static Warnings all;
  return all;
}

}  // namespace

void warn(const std::string& text) {
  Warnings& all = warnings();
  const std::scoped_lock lock(all.mutex);
  if (all.listener && all.said.insert(text).second) all.listener(text);
}

void on_warning(std::function<void(const std::string&)> listener) {
  Warnings& all = warnings();
  const std::scoped_lock lock(all.mutex);
  all.listener = std::move(listener);
}

}  // namespace tapeline
