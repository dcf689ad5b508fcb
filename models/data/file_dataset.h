#pragma once

#include "models/data/dataset.h"
#include "models/data/file_tree.h"
#include "models/data/listing.h"

namespace tapeline {

/// The images that a listing names, read from a folder or tar when they are asked for.
class FileDataset : public Dataset {
 public:
  FileDataset(std::unique_ptr<FileTree> tree, Listing listing);

  std::size_t size() const override { return listing_.entries.size(); }
  std::string name(std::size_t index) const override;
  std::string text(std::size_t index) const override;
  Sample load(std::size_t index, int channels) const override;
  std::uint64_t content_hash(std::size_t index) const override;
  const std::vector<Problem>& problems() const override { return listing_.problems; }

 private:
  std::unique_ptr<FileTree> tree_;
  Listing listing_;
};

}  // namespace tapeline
