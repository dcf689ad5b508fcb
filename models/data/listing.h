#pragma once

// Which images a folder, tar or list names, and their texts.

#include <string>
#include <string_view>
#include <vector>

#include "models/data/dataset.h"
#include "models/data/file_tree.h"

namespace tapeline {

struct Listing {
  struct Entry {
    std::string file, text;
  };

  std::vector<Entry> entries;
  std::vector<Problem> problems;
};

/// Finds labels.tsv, labels.txt or labelled images in the tree, in this order. `where` names the tree in
/// messages. Throws Error where there are none of them, or more than one list.
Listing list_samples(const FileTree& tree, const std::string& where);

/// `path<TAB>text` a line, or `path text` if `spaces`. `name` is the list's, for messages; `folder` is put
/// before every path.
Listing parse_list(std::string_view content, const std::string& name, std::string_view folder, bool spaces);

/// `id_label.png` and `label.png`.
Listing list_by_names(const FileTree& tree);

}  // namespace tapeline
