#include "models/data/listing.h"

#include <algorithm>
#include <limits>
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
constexpr std::size_t kMostProblems = 100'000, kMostProblemBytes = 16 << 20;

/// Parses lines into a listing.
class Reader {
 public:
  explicit Reader(std::string name, std::string_view folder = "")
      : name_(std::move(name)), listing_{ListEntries(folder), {}} {}

  Listing listing() && { return std::move(listing_); }
  void reserve(std::size_t bytes) { listing_.entries.reserve(bytes); }

  void add_problem(std::size_t line, std::string why) {
    add_problem(fmt::format("{}:{}", name_, line), std::move(why));
  }
  void add_problem(std::string where, std::string why) {
    problem_bytes_ += where.size() + why.size();
    if (listing_.problems.size() == kMostProblems || problem_bytes_ > kMostProblemBytes)
      throw Error("{}: {}; {} lines before it are wrong too: is this a list of labels?", where, why,
                  listing_.problems.size());
    listing_.problems.push_back({std::move(where), std::move(why)});
  }

  void add(std::string_view file, std::string_view text, std::size_t line) {
    if (std::string why = fault_of(text); why.empty())
      listing_.entries.add(file, text);
    else
      add_problem(line, std::move(why));
  }
  void add_named(const std::string& file, std::string_view text) {
    if (std::string why = fault_of(text); why.empty())
      listing_.entries.add(file, text);
    else
      add_problem(file, std::move(why));
  }

 private:
  static std::string fault_of(std::string_view text) {
    try {
      for (const char32_t c : decode_utf8(text))
        if ((c < 0x20 && c != '\t') || c == 0x7f)
          throw Error("text: holds the control character {}: take it out", describe_character(c));
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  std::string name_;
  Listing listing_;
  std::size_t problem_bytes_ = 0;
};

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
  Reader reader(name);
  for_each_line(content, [&](std::string_view line, std::size_t number) {
    const auto file = file_of_number.find(std::to_string(number));
    if (file != file_of_number.end())
      reader.add(file->second, line, number);
    else if (!line.empty())
      reader.add_problem(number,
                         fmt::format("there is no image {0}.png, {0}.jpg, {0}.bmp or {0}.pgm", number));
  });
  return std::move(reader).listing();
}

bool leads_out(std::string_view file) {
  if (file.starts_with('/')) return true;
  for (std::size_t begin = 0; begin < file.size(); begin = std::min(file.find('/', begin), file.size()) + 1)
    if (const auto part = file.substr(begin); part == ".." || part.starts_with("../")) return true;
  return false;
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

ListEntries::Entry ListEntries::operator[](std::size_t index) const {
  const std::size_t begin = index == 0 ? 0 : ends_[index - 1].text;
  const auto [file, text] = ends_[index];
  const std::string_view bytes = bytes_;
  std::string path = folder_;
  path += bytes.substr(begin, file - begin);
  return {std::move(path), bytes.substr(file, text - file)};
}

void ListEntries::add(std::string_view file, std::string_view text) {
  if (bytes_.size() + file.size() + text.size() > std::numeric_limits<std::uint32_t>::max())
    throw Error("the names and labels of a data set are longer than 4 GiB; split it");
  bytes_ += file;
  const auto end = static_cast<std::uint32_t>(bytes_.size());
  bytes_ += text;
  ends_.push_back({end, static_cast<std::uint32_t>(bytes_.size())});
}

Listing parse_list(std::string_view content, const std::string& name, std::string_view folder,
                   const ListRules& rules) {
  Reader reader(name, folder);
  reader.reserve(content.size());
  for_each_line(content, [&](std::string_view line, std::size_t number) {
    if (line.empty()) return;
    auto separator = line.find('\t');
    if (separator == std::string_view::npos && rules.spaces) separator = line.find(' ');
    if (separator == std::string_view::npos || separator == 0) {
      reader.add_problem(
          number, rules.spaces ? "expected `path<TAB>text` or `path text`" : "expected `path<TAB>text`");
      return;
    }
    const std::string_view file = line.substr(0, separator);
    if (rules.inside && leads_out(file))
      reader.add_problem(std::string(folder) + std::string(file),
                         fmt::format("{} leads out of its folder; name the list itself as the data, and any "
                                     "path may stand in it",
                                     name));
    else
      reader.add(file, line.substr(separator + 1), number);
  });
  return std::move(reader).listing();
}

Listing list_by_names(const FileTree& tree) {
  Reader reader("");
  for (const auto& file : tree.names()) {
    if (!has_image_extension(file)) continue;
    auto label = stem_of(file);
    const auto underscore = label.rfind('_');
    if (underscore != std::string_view::npos) label.remove_prefix(underscore + 1);
    reader.add_named(file, label);
  }
  return std::move(reader).listing();
}

Listing list_samples(const FileTree& tree, const std::string& where) {
  if (const auto tsv = find_list(tree, "labels.tsv", where); !tsv.empty())
    return parse_list(as_text(tree.read(tsv)), tsv, folder_of(tsv), {.spaces = false, .inside = true});
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
