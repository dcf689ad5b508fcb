// A font of 95 line drawings. Capitals are 14 units high (y = 0 at their top, 14 at the baseline), small
// letters begin at 5, descenders reach 18.

#include "models/image/text.h"

#include <algorithm>
#include <array>

namespace tapeline {

namespace {

constexpr float kCapital = 14, kGap = 2.8f, kSpace = 5.5f;

constexpr std::string_view kMissing = "M1 0L9 0L9 14L1 14Z";

constexpr std::array<std::string_view, 95> kLetters = {
    /* space */ "",
    /* ! */ "M1.5 0L1.5 9.5M1.5 14",
    /* " */ "M1 0L1 4M5 0L5 4",
    /* # */ "M4 1L2 13M9 1L7 13M0 5L10.5 5M0 9.5L10 9.5",
    /* $ */ "M9 3Q7.5 1.5 5 1.5Q1 1.5 1 4.5Q1 7 5 7.5Q9 8 9 10.5Q9 13 5 13Q2 13 .5 11M5 -.5L5 15.5",
    /* % */
    "M3.3 0Q.5 0 .5 3Q.5 6 3.3 6Q6 6 6 3Q6 0 3.3 0M10 8Q7.2 8 7.2 11Q7.2 14 10 14Q12.8 14 12.8 11Q12.8 8 10 "
    "8M11 0L2.3 14",
    /* & */ "M11 14L3 4.5Q2 0 5 0Q8 0 7.5 3.5Q7 6 3 8Q0 10 1 12.5Q2.5 14 5 14Q9 14 10.5 8.5",
    /* ' */ "M1 0L1 4",
    /* ( */ "M4.5 -1Q-1.5 7.5 4.5 16",
    /* ) */ "M.5 -1Q6.5 7.5 .5 16",
    /* * */ "M4.5 1L4.5 9M1 3L8 7M8 3L1 7",
    /* + */ "M5 4L5 12M1 8L9 8",
    /* , */ "M2 13.6L2 14L.8 16.6",
    /* - */ "M1 8.5L6 8.5",
    /* . */ "M1 14",
    /* / */ "M6.5 -1L.5 16",
    /* 0 */ "M5 0Q.5 0 .5 7Q.5 14 5 14Q9.5 14 9.5 7Q9.5 0 5 0",
    /* 1 */ "M1.8 3L5.5 0L5.5 14",
    /* 2 */ "M1 3Q1.5 0 5 0Q9 0 9 3.8Q9 6.5 5.5 9.5L.5 14L9.5 14",
    /* 3 */ "M1 2Q2.5 0 5 0Q9 0 9 3.5Q9 6.6 4 6.8Q9.5 7 9.5 10.3Q9.5 14 5 14Q2 14 .5 12",
    /* 4 */ "M7.5 14L7.5 0L.5 10L10 10",
    /* 5 */ "M8.5 0L2 0L1.3 6.5Q3 5.3 5 5.3Q9.5 5.3 9.5 9.6Q9.5 14 5 14Q2 14 .5 12",
    /* 6 */ "M8.5 1.3Q7.3 0 5.5 0Q.7 0 .7 8.5Q.7 14 5.2 14Q9.5 14 9.5 9.8Q9.5 5.8 5.3 5.8Q1.5 5.8 .8 9.5",
    /* 7 */ "M.5 0L9.5 0L3.5 14",
    /* 8 */
    "M5 6.5Q1.3 6.2 1.3 3.2Q1.3 0 5 0Q8.7 0 8.7 3.2Q8.7 6.2 5 6.5Q.5 6.8 .5 10.3Q.5 14 5 14Q9.5 14 9.5 "
    "10.3Q9.5 6.8 5 6.5",
    /* 9 */ "M1.5 12.7Q2.7 14 4.5 14Q9.3 14 9.3 5.5Q9.3 0 4.8 0Q.5 0 .5 4.2Q.5 8.2 4.7 8.2Q8.5 8.2 9.2 4.5",
    /* : */ "M1 6M1 13.6",
    /* ; */ "M2 6M2 13.3L2 13.7L.8 16.4",
    /* < */ "M9 3.5L1 8L9 12.5",
    /* = */ "M1 5.8L9 5.8M1 10.2L9 10.2",
    /* > */ "M1 3.5L9 8L1 12.5",
    /* ? */ "M.8 3Q1.2 0 4.5 0Q8 0 8 3.3Q8 5.5 6 6.8Q4.3 8 4.3 10M4.3 14",
    /* @ */
    "M9.5 5Q8.5 3.8 7 3.8Q4 3.8 4 7.5Q4 10.5 6.5 10.5Q9 10.5 9.5 7.5L9.8 4.2Q8.8 10.8 11 10.8Q13.5 10.5 "
    "13.5 6.5Q13 0 7 0Q.5 .3 .5 7.3Q.7 14 7 14.3Q9.5 14.3 11 13.4",
    /* A */ "M.3 14L5.3 0L10.3 14M2 9.5L8.6 9.5",
    /* B */ "M1 0L1 14L5.5 14Q9.5 14 9.5 10.3Q9.5 6.8 5.5 6.8L1 6.8M5.5 6.8Q8.8 6.5 8.8 3.4Q8.8 0 5.5 0L1 0",
    /* C */ "M10 3Q8.5 0 5.5 0Q.5 0 .5 7Q.5 14 5.5 14Q8.5 14 10 11",
    /* D */ "M1 0L1 14L4.5 14Q10 14 10 7Q10 0 4.5 0L1 0",
    /* E */ "M8.5 0L1 0L1 14L8.5 14M1 6.8L7.5 6.8",
    /* F */ "M8.5 0L1 0L1 14M1 7L7.5 7",
    /* G */ "M10 3Q8.5 0 5.5 0Q.5 0 .5 7Q.5 14 5.5 14Q10 14 10 9.5L10 8L6 8",
    /* H */ "M1 0L1 14M9.5 0L9.5 14M1 6.8L9.5 6.8",
    /* I */ "M1 0L1 14",
    /* J */ "M6 0L6 10Q6 14 3 14Q.5 14 .3 11.5",
    /* K */ "M1 0L1 14M9.3 0L1 9M4 6L9.8 14",
    /* L */ "M1 0L1 14L8 14",
    /* M */ "M1 14L1 0L6 9L11 0L11 14",
    /* N */ "M1 14L1 0L9.5 14L9.5 0",
    /* O */ "M5.5 0Q.5 0 .5 7Q.5 14 5.5 14Q10.5 14 10.5 7Q10.5 0 5.5 0",
    /* P */ "M1 14L1 0L5.5 0Q9.3 0 9.3 4Q9.3 8 5.5 8L1 8",
    /* Q */ "M5.5 0Q.5 0 .5 7Q.5 14 5.5 14Q10.5 14 10.5 7Q10.5 0 5.5 0M7 10.5L10.5 15.2",
    /* R */ "M1 14L1 0L5.5 0Q9.3 0 9.3 4Q9.3 8 5.5 8L1 8M5.5 8L9.8 14",
    /* S */ "M9 2.5Q8 0 5 0Q1 0 1 3.4Q1 6 5 6.8Q9.5 7.6 9.5 10.5Q9.5 14 5 14Q1.5 14 .5 11.3",
    /* T */ "M.3 0L9.7 0M5 0L5 14",
    /* U */ "M1 0L1 9Q1 14 5.3 14Q9.5 14 9.5 9L9.5 0",
    /* V */ "M.3 0L5.2 14L10 0",
    /* W */ "M.3 0L3.7 14L7.2 2L10.7 14L14 0",
    /* X */ "M.5 0L9.5 14M9.5 0L.5 14",
    /* Y */ "M.3 0L5 7L9.7 0M5 7L5 14",
    /* Z */ "M.7 0L9.3 0L.5 14L9.5 14",
    /* [ */ "M4 -1L1 -1L1 16L4 16",
    /* \ */ "M.5 -1L6.5 16",
    /* ] */ "M1 -1L4 -1L4 16L1 16",
    /* ^ */ "M1 5L4.5 0L8 5",
    /* _ */ "M0 16L9 16",
    /* ` */ "M1 0L3 2.5",
    /* a */ "M8 5L8 14M8 8.2Q7 4.8 4.3 4.8Q.5 4.8 .5 9.4Q.5 14 4.3 14Q7 14 8 10.6",
    /* b */ "M1 0L1 14M1 8.2Q2 4.8 4.7 4.8Q8.5 4.8 8.5 9.4Q8.5 14 4.7 14Q2 14 1 10.6",
    /* c */ "M7.6 6.8Q6.6 4.8 4.5 4.8Q.5 4.8 .5 9.4Q.5 14 4.5 14Q6.6 14 7.6 12",
    /* d */ "M8 0L8 14M8 8.2Q7 4.8 4.3 4.8Q.5 4.8 .5 9.4Q.5 14 4.3 14Q7 14 8 10.6",
    /* e */ "M.6 9.2L8.2 9.2Q8.2 4.8 4.5 4.8Q.5 4.8 .5 9.4Q.5 14 4.7 14Q6.9 14 8 12.2",
    /* f */ "M5 .4Q2 -.8 2 3L2 14M.2 5L4.8 5",
    /* g */
    "M8 5L8 14.5Q8 18.3 4.3 18.3Q2 18.3 1 17M8 8.2Q7 4.8 4.3 4.8Q.5 4.8 .5 9.4Q.5 14 4.3 14Q7 14 8 10.6",
    /* h */ "M1 0L1 14M1 8.5Q2 4.8 4.6 4.8Q7.8 4.8 7.8 8.5L7.8 14",
    /* i */ "M1 5L1 14M1 1",
    /* j */ "M2.5 5L2.5 15.5Q2.5 18.3 .2 18.3M2.5 1",
    /* k */ "M1 0L1 14M7 5L1 10.8M3.2 8.8L7.3 14",
    /* l */ "M1 0L1 11.5Q1 14 3 14",
    /* m */ "M1 5L1 14M1 8.3Q1.8 4.8 4 4.8Q6.5 4.8 6.5 8L6.5 14M6.5 8.3Q7.3 4.8 9.5 4.8Q12 4.8 12 8L12 14",
    /* n */ "M1 5L1 14M1 8.5Q2 4.8 4.6 4.8Q7.8 4.8 7.8 8.5L7.8 14",
    /* o */ "M4.5 4.8Q.5 4.8 .5 9.4Q.5 14 4.5 14Q8.5 14 8.5 9.4Q8.5 4.8 4.5 4.8",
    /* p */ "M1 5L1 18.3M1 8.2Q2 4.8 4.7 4.8Q8.5 4.8 8.5 9.4Q8.5 14 4.7 14Q2 14 1 10.6",
    /* q */ "M8 5L8 18.3M8 8.2Q7 4.8 4.3 4.8Q.5 4.8 .5 9.4Q.5 14 4.3 14Q7 14 8 10.6",
    /* r */ "M1 5L1 14M1 8.5Q2 4.8 5 5",
    /* s */ "M6.8 6.7Q6 4.8 3.8 4.8Q1 4.8 1 7Q1 8.8 4 9.3Q7.2 9.8 7.2 11.7Q7.2 14 4 14Q1.4 14 .5 12.1",
    /* t */ "M2.3 1.5L2.3 11.5Q2.3 14 4.8 13.8M.2 5L4.8 5",
    /* u */ "M1 5L1 10.3Q1 14 4.2 14Q6.9 14 7.8 10.3M7.8 5L7.8 14",
    /* v */ "M.4 5L4 14L7.6 5",
    /* w */ "M.4 5L3.1 14L5.8 6L8.5 14L11.2 5",
    /* x */ "M.6 5L7.2 14M7.2 5L.6 14",
    /* y */ "M.4 5L4.1 14M7.7 5L3.6 15.5Q2.5 18.3 .4 18",
    /* z */ "M.8 5L7.2 5L.6 14L7.4 14",
    /* { */ "M4.5 -1Q2.5 -1 2.5 1.5L2.5 5Q2.5 7.2 .5 7.5Q2.5 7.8 2.5 10L2.5 13.5Q2.5 16 4.5 16",
    /* | */ "M1 -1L1 16",
    /* } */ "M.5 -1Q2.5 -1 2.5 1.5L2.5 5Q2.5 7.2 4.5 7.5Q2.5 7.8 2.5 10L2.5 13.5Q2.5 16 .5 16",
    /* ~ */ "M.7 9Q2.7 6 5 8Q7.3 10 9.3 7",
};

struct Letter {
  std::vector<Polyline> lines;
  float advance = kSpace;
};

Letter make_letter(std::string_view path) {
  Letter letter{parse_path(path), kSpace};
  float right = 0;
  for (const Polyline& line : letter.lines)
    for (const Point point : line) right = std::max(right, point.x);
  if (!letter.lines.empty()) letter.advance = right + kGap;
  return letter;
}

/// The letter that `text` begins with, which is then taken off it.
const Letter& next_letter(std::string_view& text) {
  static const std::array<Letter, 96> letters = [] {
    std::array<Letter, 96> result;
    std::transform(kLetters.begin(), kLetters.end(), result.begin(), make_letter);
    result.back() = make_letter(kMissing);
    return result;
  }();
  const auto is_continuation = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  const unsigned char first = static_cast<unsigned char>(text.front());
  do {
    text.remove_prefix(1);
  } while (first >= 0xC0 && !text.empty() && is_continuation(text.front()));
  return letters[first >= 32 && first < 127 ? first - 32 : 95];
}

}  // namespace

void draw_text(Image& image, float x, float y, std::string_view text, float size, Colour colour) {
  const float scale = size / kCapital, thickness = std::max(1.1f, size * 0.115f);
  const int margin = static_cast<int>(thickness) + 2;
  const int left = static_cast<int>(x) - margin, top = static_cast<int>(y - 1.2f * size) - margin;
  // Only what the image can show, whatever the length of the text.
  const int visible = std::min(image.width - left, static_cast<int>(text_width(text, size)) + 2 * margin);
  if (visible <= 0) return;
  Mask mask(visible, static_cast<int>(1.6f * size) + 2 * margin);
  std::vector<PenPoint> pen;
  while (!text.empty() && x < static_cast<float>(image.width)) {
    const Letter& letter = next_letter(text);
    for (const Polyline& line : letter.lines) {
      pen.clear();
      for (const Point point : line)
        pen.push_back({x + point.x * scale - static_cast<float>(left),
                       y + (point.y - kCapital) * scale - static_cast<float>(top), thickness / 2});
      stroke(mask, pen);
    }
    x += letter.advance * scale;
  }
  blend(image, mask, left, top, colour);
}

float text_width(std::string_view text, float size) {
  float width = 0;
  while (!text.empty()) width += next_letter(text).advance;
  return width * size / kCapital;
}

std::string shorten_text(std::string_view text, float size, float width) {
  if (text_width(text, size) <= width) return std::string(text);
  std::string_view rest = text;
  const float dots = text_width("...", size);
  std::size_t kept = 0;
  for (float used = dots; !rest.empty(); kept = text.size() - rest.size()) {
    used += next_letter(rest).advance * size / kCapital;
    if (used > width) break;
  }
  return std::string(text.substr(0, kept)) + "...";
}

}  // namespace tapeline
