#include "backends/vulkan/variants.h"

#include <algorithm>
#include <cstdlib>

#include "engine/error.h"

namespace tapeline::vulkan {

std::string_view name_of(Variant variant) {
  switch (variant) {
    case Variant::lanes:
      return "lanes";
    case Variant::shared:
      return "shared";
    case Variant::shared_32:
      return "shared-32";
  }
  return "?";
}

Variants Variants::of_environment() {
  Variants variants;
  const char* wanted = std::getenv("TAPELINE_VULKAN_TILES");
  if (!wanted || !*wanted) return variants;
  std::string names;
  for (const Variant variant : kVariants) {
    if (name_of(variant) == wanted) variants.forced_ = variant;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(variant));
  }
  if (!variants.forced_) throw Error("TAPELINE_VULKAN_TILES={} is none of {}", wanted, names);
  return variants;
}

Variant Variants::choose(const Task&, std::initializer_list<Candidate> candidates) const {
  const auto find = [&](const auto& wanted) {
    return std::find_if(candidates.begin(), candidates.end(),
                        [&](const Candidate& c) { return c.fits && wanted(c.variant); });
  };
  if (forced_)
    if (const auto found = find([&](Variant v) { return v == *forced_; }); found != candidates.end())
      return found->variant;
  return find([](Variant) { return true; })->variant;
}

}  // namespace tapeline::vulkan
