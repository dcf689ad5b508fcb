#include "models/text/edit_distance.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "engine/error.h"
#include "models/text/utf8.h"

namespace tapeline {

std::size_t edit_distance(std::u32string_view expected, std::u32string_view read) {
  std::vector<std::size_t> row(read.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= expected.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= read.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({diagonal + (expected[i - 1] != read[j - 1]), above + 1, row[j - 1] + 1});
      diagonal = above;
    }
  }
  return row.back();
}

std::size_t edit_distance(std::string_view expected, std::string_view read) {
  return edit_distance(decode_utf8(expected), decode_utf8(read));
}

std::vector<Edit> align(std::u32string_view expected, std::u32string_view read) {
  constexpr std::size_t kMaxEntries = std::size_t{1} << 26;
  const std::size_t columns = read.size() + 1;
  if (expected.size() + 1 > kMaxEntries / columns)
    throw Error("align: texts of {} and {} characters are too long to be aligned", expected.size(),
                read.size());

  std::vector<std::uint32_t> distance((expected.size() + 1) * columns);
  const auto at = [&](std::size_t i, std::size_t j) -> std::uint32_t& { return distance[i * columns + j]; };
  for (std::size_t i = 0; i <= expected.size(); ++i) at(i, 0) = static_cast<std::uint32_t>(i);
  for (std::size_t j = 0; j <= read.size(); ++j) at(0, j) = static_cast<std::uint32_t>(j);
  for (std::size_t i = 1; i <= expected.size(); ++i)
    for (std::size_t j = 1; j <= read.size(); ++j)
      at(i, j) =
          std::min({at(i - 1, j - 1) + (expected[i - 1] != read[j - 1]), at(i - 1, j) + 1, at(i, j - 1) + 1});

  std::vector<Edit> edits;
  for (std::size_t i = expected.size(), j = read.size(); i > 0 || j > 0;) {
    const bool differ = i > 0 && j > 0 && expected[i - 1] != read[j - 1];
    if (i > 0 && j > 0 && at(i, j) == at(i - 1, j - 1) + differ) {
      edits.push_back({differ ? EditKind::substitution : EditKind::match, expected[i - 1], read[j - 1]});
      --i, --j;
    } else if (i > 0 && at(i, j) == at(i - 1, j) + 1) {
      edits.push_back({EditKind::deletion, expected[--i], 0});
    } else {
      edits.push_back({EditKind::insertion, 0, read[--j]});
    }
  }
  std::reverse(edits.begin(), edits.end());
  return edits;
}

}  // namespace tapeline
