#include "models/image/contact_sheet.h"
#include "engine/io/atomic_file.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/error.h"
#include "models/image/image_io.h"
#include "models/image/resize.h"
#include "models/image/text.h"

namespace tapeline {

namespace {

constexpr Colour kGood{34, 160, 94}, kBad{214, 51, 56}, kInk{40, 44, 52}, kPage{240, 242, 245},
    kCard{255, 255, 255};
constexpr int kGap = 10, kPadding = 8, kCaption = 26, kBar = 4;
constexpr float kCaptionSize = 11;

/// As large as fits into the box, in its own aspect ratio.
Image fitted(const Image& image, int width, int height) {
  const double scale =
      std::min(static_cast<double>(width) / image.width, static_cast<double>(height) / image.height);
  return resize(image, std::max(1, static_cast<int>(image.width * scale + 0.5)),
                std::max(1, static_cast<int>(image.height * scale + 0.5)));
}

void draw_mark(Image& sheet, float x, float y, bool good) {
  const Point tick[] = {{x, y + 5}, {x + 4, y + 9}, {x + 11, y}};
  const Point falling[] = {{x + 1, y}, {x + 10, y + 9}}, rising[] = {{x + 1, y + 9}, {x + 10, y}};
  if (good) {
    draw_polyline(sheet, tick, 2.4f, kGood);
  } else {
    draw_polyline(sheet, falling, 2.4f, kBad);
    draw_polyline(sheet, rising, 2.4f, kBad);
  }
}

void draw_cell(Image& sheet, const ContactCell& cell, int x, int y, int width, int height) {
  const int card_width = width + 2 * kPadding, card_height = height + 2 * kPadding + kCaption;
  fill_rectangle(sheet, x, y, card_width, card_height, kCard);
  fill_rectangle(sheet, x, y + card_height - kBar, card_width, kBar, cell.good ? kGood : kBad);
  if (!cell.image.empty()) {
    const Image picture = fitted(cell.image, width, height);
    paste(sheet, picture, x + kPadding + (width - picture.width) / 2,
          y + kPadding + (height - picture.height) / 2);
  }
  const auto baseline = static_cast<float>(y + height + kPadding + 19);
  const auto left = static_cast<float>(x + kPadding);
  draw_text(sheet, left, baseline, shorten_text(cell.caption, kCaptionSize, static_cast<float>(width - 18)),
            kCaptionSize, kInk);
  draw_mark(sheet, left + static_cast<float>(width - 12), baseline - 10, cell.good);
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  return result;
}

std::string base64(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < left ? std::to_integer<std::uint32_t>(bytes[i + j]) : 0);
    for (std::size_t j = 0; j < 4; ++j) text += j <= left ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --page: #f0f2f5; --card: #fff; --ink: #22262e; --faint: #6a7080;
        --good: #1f9d5c; --bad: #d63338; }
@media (prefers-color-scheme: dark) {
  :root { --page: #15171c; --card: #22262e; --ink: #e8eaee; --faint: #9aa1b0; --good: #3fc27f; --bad: #ff6b6f; }
}
body { margin: 2rem; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.4rem; }
p { margin: 0 0 1.5rem; color: var(--faint); }
main { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); }
figure { margin: 0; padding: 8px; background: var(--card); border-radius: 6px; border-bottom: 4px solid var(--good); }
figure.bad { border-color: var(--bad); }
img { display: block; width: 100%; height: 90px; object-fit: contain; border-radius: 3px; }
figcaption { margin-top: 6px; font-family: ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
figcaption::before { content: "\2713\00a0"; color: var(--good); }
.bad figcaption::before { content: "\2717\00a0"; color: var(--bad); }
)";

}  // namespace

Image contact_sheet(const std::vector<ContactCell>& cells, int columns) {
  if (cells.empty() || columns < 1)
    throw Error("cannot make a contact sheet of {} pictures in {} columns: both must be at least 1",
                cells.size(), columns);
  int width = 1, height = 1;
  for (const ContactCell& cell : cells) {
    width = std::max(width, cell.image.width);
    height = std::max(height, cell.image.height);
  }
  const double scale = std::clamp(220.0 / width, 0.1, 4.0);
  width = std::clamp(static_cast<int>(std::lround(width * scale)), 120, 220);
  height = std::clamp(static_cast<int>(std::lround(height * scale)), 24, 220);

  columns = std::min(columns, static_cast<int>(cells.size()));
  const int rows = (static_cast<int>(cells.size()) + columns - 1) / columns;
  const int step_x = width + 2 * kPadding + kGap, step_y = height + 2 * kPadding + kCaption + kGap;
  if (std::int64_t{step_x} * columns * step_y * rows > ImageLimits().pixels)
    throw Error("a contact sheet of {} pictures would be too large; choose fewer", cells.size());
  Image sheet(columns * step_x + kGap, rows * step_y + kGap, 3);
  fill_rectangle(sheet, 0, 0, sheet.width, sheet.height, kPage);
  for (int i = 0; i < static_cast<int>(cells.size()); ++i)
    draw_cell(sheet, cells[i], kGap + i % columns * step_x, kGap + i / columns * step_y, width, height);
  return sheet;
}

void write_contact_sheet_html(const std::filesystem::path& path, const std::string& title,
                              const std::string& summary, const std::vector<ContactCell>& cells) {
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>{0}</title>\n<style>{1}</style>\n</head>\n"
      "<body>\n<h1>{0}</h1>\n<p>{2}</p>\n<main>\n",
      escaped(title), kStyle, escaped(summary));
  for (const ContactCell& cell : cells) {
    page += cell.good ? "<figure>" : "<figure class=\"bad\">";
    if (!cell.image.empty())
      page += fmt::format("<img alt=\"\" src=\"data:image/png;base64,{}\">", base64(encode_png(cell.image)));
    page += fmt::format("<figcaption>{}</figcaption></figure>\n", escaped(cell.caption));
  }
  page += "</main>\n</body>\n</html>\n";
  write_file(path, std::as_bytes(std::span(page)));
}

}  // namespace tapeline
