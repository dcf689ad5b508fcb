#include "apps/sheet.h"

#include <algorithm>

#include "models/image/image_io.h"
#include "models/image/resize.h"

namespace tapeline {

namespace {

constexpr int kMostWidth = 480, kMostHeight = 160, kPngColumns = 5;

Image thumbnail(const Image& image) {
  const double scale = std::min(
      {1.0, static_cast<double>(kMostWidth) / image.width, static_cast<double>(kMostHeight) / image.height});
  if (scale == 1) return image;
  return resize(image, std::max(1, static_cast<int>(image.width * scale)),
                std::max(1, static_cast<int>(image.height * scale)));
}

}  // namespace

bool Sheet::wanted() const {
  return cells_.size() < (!html.empty() ? kMostHtml : !png.empty() ? kMostPng : 0);
}

void Sheet::add(const Image& image, std::string caption, bool good) {
  cells_.push_back({thumbnail(image), std::move(caption), good});
}

void Sheet::write(const std::string& title, const std::string& summary) const {
  if (!html.empty()) write_contact_sheet_html(html, title, summary, cells_);
  if (!png.empty()) {
    const auto shown = static_cast<std::ptrdiff_t>(std::min(cells_.size(), kMostPng));
    const std::vector<ContactCell> first(cells_.begin(), cells_.begin() + shown);
    write_png(png, contact_sheet(first, kPngColumns));
  }
}

}  // namespace tapeline
