#include "models/data/listing.h"

#include <algorithm>
#include <map>

#include "engine/error.h"
#include "models/text/charset.h"
#include "models/text/utf8.h"

namespace tapeline {
namespace {

std::string_view as_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Calls visit(line, number from 1), without a byte-order mark and line ends. The end of the last line is no
/// line.
template <typename Visit>
void for_each_line(std::string_view content, Visit visit) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (content.starts_with(kByteOrderMark)) content.remove_prefix(kByteOrderMark.size());
  for (std::size_t number = 1; !content.empty(); ++number) {
    const auto end = std::min(content.find('\n'), content.size());
    auto line = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    visit(line, number);
  }
}

/// A file of which so much is wrong is no list; its problems would take many times its own size.
constexpr std::size_t kMostProblems = 100'000;

void add_problem(Listing& listing, std::string where, std::string why) {
  if (listing.problems.size() == kMostProblems)
    throw Error("{}: {}; {} lines before it are wrong too: is this a list of labels?", where, why,
                kMostProblems);
  listing.problems.push_back({std::move(where), std::move(why)});
}

void add(Listing& listing, std::string file, std::string_view text, const std::string& where) {
  try {
    for (const char32_t c : decode_utf8(text))
      if ((c < 0x20 && c != '\t') || c == 0x7f)
        throw Error("text: holds the control character {}: take it out", describe_character(c));
    listing.entries.push_back({std::move(file), std::string(text)});
  } catch (const Error& error) {
    add_problem(listing, where, error.what());
  }
}

/// Line i is the text of the image whose name is the number i.
Listing parse_numbered(std::string_view content, const std::string& name, const FileTree& tree) {
  const auto folder = folder_of(name);
  std::map<std::string, std::string> file_of_number;
  for (const auto& file : tree.names()) {
    if (folder_of(file) != folder || !has_image_extension(file)) continue;
    auto stem = stem_of(file);
    stem.remove_prefix(std::min(stem.find_first_not_of('0'), stem.size()));
    file_of_number.emplace(stem, file);
  }
  Listing listing;
  for_each_line(content, [&](std::string_view line, std::size_t number) {
    const auto where = fmt::format("{}:{}", name, number);
    const auto file = file_of_number.find(std::to_string(number));
    if (file != file_of_number.end())
      add(listing, file->second, line, where);
    else if (!line.empty())
      add_problem(listing, where,
                  fmt::format("there is no image {0}.png, {0}.jpg, {0}.bmp or {0}.pgm", number));
  });
  return listing;
}

/// A data set that comes from somebody else names only what it brings: no path that begins with / or goes up.
void keep_inside(Listing& listing, const std::string& name) {
  const auto leads_out = [](std::string_view file) {
    if (file.starts_with('/')) return true;
    for (std::size_t begin = 0; begin < file.size(); begin = std::min(file.find('/', begin), file.size()) + 1)
      if (const auto part = file.substr(begin); part == ".." || part.starts_with("../")) return true;
    return false;
  };
  std::erase_if(listing.entries, [&](const Listing::Entry& entry) {
    if (!leads_out(entry.file)) return false;
    listing.problems.push_back(
        {entry.file,
         fmt::format("{} leads out of its folder; name the list itself as the data, and any path may "
                     "stand in it",
                     name)});
    return true;
  });
}

/// The one file of this name in the tree; "" where there is none.
std::string find_list(const FileTree& tree, std::string_view file_name, const std::string& where) {
  std::string found;
  for (const auto& name : tree.names()) {
    if (name.substr(folder_of(name).size()) != file_name) continue;
    if (!found.empty())
      throw Error("{}: has both {} and {}: unpack it and name the folder that is meant", where, found, name);
    found = name;
  }
  return found;
}

}  // namespace

Listing parse_list(std::string_view content, const std::string& name, std::string_view folder, bool spaces) {
  Listing listing;
  for_each_line(content, [&](std::string_view line, std::size_t number) {
    if (line.empty()) return;
    const auto where = fmt::format("{}:{}", name, number);
    auto separator = line.find('\t');
    if (separator == std::string_view::npos && spaces) separator = line.find(' ');
    if (separator == std::string_view::npos || separator == 0)
      add_problem(listing, where,
                  spaces ? "expected `path<TAB>text` or `path text`" : "expected `path<TAB>text`");
    else
      add(listing, std::string(folder) + std::string(line.substr(0, separator)), line.substr(separator + 1),
          where);
  });
  return listing;
}

Listing list_by_names(const FileTree& tree) {
  Listing listing;
  for (const auto& file : tree.names()) {
    if (!has_image_extension(file)) continue;
    auto label = stem_of(file);
    const auto underscore = label.rfind('_');
    if (underscore != std::string_view::npos) label.remove_prefix(underscore + 1);
    add(listing, file, label, file);
  }
  return listing;
}

Listing list_samples(const FileTree& tree, const std::string& where) {
  if (const auto tsv = find_list(tree, "labels.tsv", where); !tsv.empty()) {
    Listing listing = parse_list(as_text(tree.read(tsv)), tsv, folder_of(tsv), /*spaces=*/false);
    keep_inside(listing, tsv);
    return listing;
  }
  if (const auto txt = find_list(tree, "labels.txt", where); !txt.empty())
    return parse_numbered(as_text(tree.read(txt)), txt, tree);
  auto listing = list_by_names(tree);
  if (listing.entries.empty() && listing.problems.empty())
    throw Error(
        "{}: has no labels.tsv, no labels.txt and no images (png, jpg, jpeg, bmp, pgm, ppm): name the folder "
        "that has",
        where);
  return listing;
}

}  // namespace tapeline
