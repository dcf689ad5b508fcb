#pragma once

// The safetensors format (github.com/huggingface/safetensors): eight bytes of header length, little-endian; a
// JSON header; then the tensors' bytes, one after the other without gaps:
//   {"__metadata__": {"key": "text"}, "conv1.weight": {"dtype": "F32", "shape": [3, 3, 1, 64],
//                                                      "data_offsets": [0, 2304]}}
// Offsets count from the end of the header.

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/dtype.h"
#include "engine/huge_pages.h"
#include "engine/nn/parameter.h"
#include "engine/shape.h"

namespace tapeline {

/// A safetensors file in memory. Whatever the bytes are, reading them gives tensors that lie within them, or
/// an Error that names the file and what is wrong with it. Memory for the data is asked for only when the
/// header is known to describe them. A file that write_safetensors() wrote is read as it was written, bit for
/// bit, or refused: the message names the tensor that is damaged.
class Safetensors {
 public:
  struct Entry {
    DType dtype = DType::f32;  // F32, F64, F16, BF16, I32, U8
    Shape shape;
    std::size_t begin = 0, end = 0;  // within data
  };

  static Safetensors read(const std::filesystem::path& file);
  /// `name` stands for the file in messages.
  static Safetensors parse(std::span<const std::byte> bytes, const std::string& name);

  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  bool contains(const std::string& name) const { return entries_.contains(name); }
  /// Throws, naming file and tensor, when there is none.
  const Entry& entry(const std::string& name) const;
  /// The values of a tensor, little-endian and row-major. Throws as entry() does.
  std::span<const std::byte> bytes(const std::string& name) const;
  /// Uploads the tensor of the same name. Throws when there is none, or its type or shape is another.
  void load(const NamedTensor& to) const;

 private:
  /// Room for the data that the header describes.
  Safetensors(std::string_view header, std::size_t data_bytes, const std::string& name);
  void check(const std::map<std::string, std::string>& digests) const;
  std::string name_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Entry> entries_;
  std::unique_ptr<std::byte[], FreePages> data_;
};

/// Writes all or nothing (see AtomicFile). The same tensors and metadata give the same bytes in whatever
/// order they come: wide types first, so that each is aligned to its size, and by name among equals; the data
/// begin at a multiple of 8. A digest of each tensor and of the header stand in the metadata (see
/// safetensors_digests.h), and are taken out of them when the file is read. Throws on two tensors of one
/// name, one named __metadata__, and metadata that are not UTF-8.
void write_safetensors(const std::filesystem::path& file, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace tapeline
