#include "engine/io/safetensors_digests.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/digest.h"

namespace tapeline {

namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Where the digits of digest.header stand; npos where they do not, as this program writes them.
std::size_t place_of_digest(std::string_view header) {
  const std::string before = fmt::format("\"{}\":\"", kDigestOfHeader);
  const auto found = header.find(before);
  return found == header.npos ? found : found + before.size();
}

}  // namespace

std::string digest_text(std::span<const std::byte> bytes) { return fmt::format("{:016x}", digest(bytes)); }

void seal_header(std::string& header) {
  if (const auto place = place_of_digest(header); place != std::string::npos)
    header.replace(place, kNoDigest.size(), digest_text(bytes_of(header)));
}

std::map<std::string, std::string> take_digests(std::string_view header, const std::string& file,
                                                std::map<std::string, std::string>& metadata) {
  const auto whole = metadata.extract(std::string(kDigestOfHeader));
  const auto each = metadata.extract(std::string(kDigestsOfTensors));
  if (!whole && !each) return {};
  const auto place = place_of_digest(header);
  std::string sealed(header);
  if (whole && each && place < header.size() && header.size() - place > kNoDigest.size()) {
    sealed.replace(place, kNoDigest.size(), kNoDigest);
    seal_header(sealed);
  }
  if (!whole || !each || sealed != header || header.substr(place, kNoDigest.size()) != whole.mapped())
    throw Error("{}: its header is not as it was written; the file is damaged: take another copy of it",
                file);
  const nlohmann::json digests = nlohmann::json::parse(each.mapped(), nullptr, false);
  std::map<std::string, std::string> result;
  if (digests.is_object())
    for (const auto& [name, text] : digests.items())
      if (text.is_string()) result.emplace(name, text.get<std::string>());
  return result;
}

}  // namespace tapeline
