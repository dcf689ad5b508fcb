#pragma once

// Which images a folder, tar or list names, and their texts.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "models/data/dataset.h"
#include "models/data/file_tree.h"

namespace tapeline {

/// Files and their texts, packed: a list may have millions of short lines, and takes no more than some ten
/// bytes for each beside what stands in it.
class ListEntries {
 public:
  struct Entry {
    std::string file;
    std::string_view text;
  };

  /// `folder` is put before every file.
  explicit ListEntries(std::string_view folder = "") : folder_(folder) {}

  std::size_t size() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  Entry operator[](std::size_t index) const;

  /// Throws Error where they would all be longer than 4 GiB.
  void add(std::string_view file, std::string_view text);
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }

 private:
  struct Ends {
    std::uint32_t file, text;
  };
  std::string folder_, bytes_;
  std::deque<Ends> ends_;
};

struct Listing {
  ListEntries entries;
  std::vector<Problem> problems;
};

/// Finds labels.tsv, labels.txt or labelled images in the tree, in this order. `where` names the tree in
/// messages. Throws Error where there are none of them, or more than one list.
Listing list_samples(const FileTree& tree, const std::string& where);

struct ListRules {
  bool spaces = false;  // `path text` is a line too
  bool inside = false;  // a path that begins with / or goes up is a problem: the list came with what it names
};

/// `path<TAB>text` a line. `name` is the list's, for messages; `folder` is put before every path. Throws
/// Error where so many lines are wrong that it is no list.
Listing parse_list(std::string_view content, const std::string& name, std::string_view folder,
                   const ListRules& rules);

/// `id_label.png` and `label.png`.
Listing list_by_names(const FileTree& tree);

}  // namespace tapeline
