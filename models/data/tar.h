#pragma once

// The directory of a tar file (POSIX ustar, GNU, pax). Members are read by their offset; nothing is unpacked.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tapeline {

struct TarMember {
  std::string name;  // without a leading "./"
  std::uint64_t offset, size;
};

/// The regular files of a tar, in the order in which they lie there; links, folders and devices are passed
/// over. Every member has been checked to lie within the file. Throws Error, which names the file and the
/// position, for what is not a tar, for a wrong checksum, a member that the file does not hold, or a sparse
/// member.
std::vector<TarMember> list_tar(const std::filesystem::path& file);

}  // namespace tapeline
