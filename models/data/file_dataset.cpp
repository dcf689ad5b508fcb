#include "models/data/file_dataset.h"

#include "models/data/hash.h"
#include "models/image/image_io.h"

namespace tapeline {

FileDataset::FileDataset(std::unique_ptr<FileTree> tree, Listing listing)
    : tree_(std::move(tree)), listing_(std::move(listing)) {}

std::string FileDataset::name(std::size_t index) const { return listing_.entries[index].file; }

std::string FileDataset::text(std::size_t index) const { return std::string(listing_.entries[index].text); }

Sample FileDataset::load(std::size_t index, int channels) const {
  const auto [file, text] = listing_.entries[index];
  return {file, std::string(text), decode_image(tree_->read(file), file, channels)};
}

std::uint64_t FileDataset::content_hash(std::size_t index) const {
  return hash_bytes(tree_->read(listing_.entries[index].file));
}

}  // namespace tapeline
