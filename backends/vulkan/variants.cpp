// The file of a choice is lines of text: what it is and whose, then "FAMILY INNER OUTPUTS VARIANT" (the
// classes by number) for each class, then the digest of all before.

#include "backends/vulkan/variants.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <span>
#include <sstream>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/digest.h"

namespace tapeline::vulkan {
namespace {

constexpr std::uintmax_t kMostBytes = 1 << 16;

std::string first_line(const Identity& identity) {
  return fmt::format("tapeline vulkan choice 1 of {:016x}\n", digest(std::as_bytes(std::span(&identity, 1))));
}

std::string extension(Precision precision) {
  return precision == Precision::fp32 ? "choice" : fmt::format("{}.choice", tapeline::name_of(precision));
}

std::string last_line(std::string_view text) {
  return fmt::format("digest {:016x}\n", digest(std::as_bytes(std::span(text))));
}

template <typename Enum, std::size_t n>
std::optional<Enum> find(const std::array<Enum, n>& all, std::string_view name) {
  for (const Enum value : all)
    if (name_of(value) == name) return value;
  return {};
}

int class_of(std::int64_t size, const std::array<std::int64_t, 2>& limits) {
  return (size > limits[0]) + (size > limits[1]);
}

std::optional<Variant> forced() {
  const char* wanted = std::getenv("TAPELINE_VULKAN_TILES");
  if (!wanted || !*wanted) return {};
  if (const auto found = find(kVariants, wanted)) return found;
  std::string names;
  for (const Variant variant : kVariants)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(variant));
  throw Error("TAPELINE_VULKAN_TILES={} is none of {}", wanted, names);
}

}  // namespace

std::string_view name_of(Variant variant) {
  switch (variant) {
    case Variant::lanes:
      return "lanes";
    case Variant::shared:
      return "shared";
    case Variant::shared_32:
      return "shared-32";
    case Variant::cooperative:
      return "cooperative";
  }
  return "?";
}

std::string_view name_of(Family family) {
  switch (family) {
    case Family::product:
      return "product";
    case Family::weight_gradient:
      return "weight-gradient";
    case Family::lstm_forward:
      return "lstm-forward";
    case Family::lstm_backward:
      return "lstm-backward";
    case Family::max_pool2d:
      return "max-pool2d";
    case Family::turn:
      return "turn";
  }
  return "?";
}

TaskClass class_of(const Task& task) {
  return {task.family, class_of(task.inner, TaskClass::kInner), class_of(task.outputs, TaskClass::kOutputs)};
}

std::string size_of(const TaskClass& task) {
  const auto text = [](const char* what, int at, const std::array<std::int64_t, 2>& limits) {
    return at < 2 ? fmt::format("{} <= {}", what, limits[static_cast<std::size_t>(at)])
                  : fmt::format("{} > {}", what, limits[1]);
  };
  return text("inner", task.inner, TaskClass::kInner) + ", " +
         text("outputs", task.outputs, TaskClass::kOutputs);
}

Variants Variants::of(const PhysicalDevice& device, Precision precision) {
  Variants variants;
  variants.forced_ = forced();
  variants.tuned_ = read_choice(identity_of(device), precision).value_or(Choice{});
  return variants;
}

Variants Variants::only(Variant variant) {
  Variants variants;
  variants.forced_ = variant;
  return variants;
}

Variant Variants::choose(const Task& task, std::initializer_list<Candidate> candidates) const {
  const auto fits = [&](Variant wanted) {
    return std::any_of(candidates.begin(), candidates.end(),
                       [&](const Candidate& c) { return c.fits && c.variant == wanted; });
  };
  if (forced_ && fits(*forced_)) return *forced_;
  if (!forced_)
    if (const auto found = tuned_.find(class_of(task)); found != tuned_.end() && fits(found->second))
      return found->second;
  return std::find_if(candidates.begin(), candidates.end(), [](const Candidate& c) { return c.fits; })
      ->variant;
}

std::optional<Variants::Choice> read_choice(const Identity& identity, Precision precision) {
  const auto path = file_of(identity, extension(precision));
  std::error_code error;
  if (!path || std::filesystem::file_size(*path, error) > kMostBytes || error) return {};
  std::ifstream file(*path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string first = first_line(identity);
  const std::size_t end = text.rfind("digest ");
  if (!text.starts_with(first) || end == std::string::npos ||
      text.substr(end) != last_line(text.substr(0, end)))
    return {};
  Variants::Choice choice;
  std::istringstream lines(text.substr(first.size(), end - first.size()));
  std::string family, variant;
  for (TaskClass c{}; lines >> family >> c.inner >> c.outputs >> variant;) {
    const auto known = find(kFamilies, family);
    const auto chosen = find(kVariants, variant);
    if (!known || !chosen) continue;
    c.family = *known;
    choice[c] = *chosen;
  }
  return choice;
}

void write_choice(const Identity& identity, const Variants::Choice& choice, Precision precision) {
  const auto path = file_of(identity, extension(precision));
  if (!path)
    throw Error("there is no folder to keep the choice in; set TAPELINE_CACHE to one that can be written to");
  std::string text = first_line(identity);
  for (const auto& [c, variant] : choice)
    text += fmt::format("{} {} {} {}\n", name_of(c.family), c.inner, c.outputs, name_of(variant));
  std::error_code error;
  std::filesystem::create_directories(path->parent_path(), error);
  try {
    write_file(*path, text + last_line(text));
  } catch (const Error& failure) {
    throw Error("{}; TAPELINE_CACHE names another folder", failure.what());
  }
}

}  // namespace tapeline::vulkan
