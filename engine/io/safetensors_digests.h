#pragma once

// The fingerprints that stand in the metadata of a file written here, so that any flipped bit is found:
//   digest.tensors   {"conv1.weight": "16 hexadecimal digits", ...}, of each tensor's bytes
//   digest.header    of the whole header, taken while these 16 digits are zeros
// Files of other programs, and those written before there were any, have neither, and are read as they are.

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace tapeline {

inline constexpr std::string_view kDigestOfHeader = "digest.header", kDigestsOfTensors = "digest.tensors";
inline constexpr std::string_view kNoDigest = "0000000000000000";

std::string digest_text(std::span<const std::byte> bytes);

/// Writes the digest of `header` into it, in place of the zeros of its digest.header.
void seal_header(std::string& header);

/// Takes both entries out of `metadata` and gives back each tensor's digest by name; nothing where the file
/// has none. Throws, naming `file`, where only one of them is there, or the header is not what it was.
std::map<std::string, std::string> take_digests(std::string_view header, const std::string& file,
                                                std::map<std::string, std::string>& metadata);

}  // namespace tapeline
