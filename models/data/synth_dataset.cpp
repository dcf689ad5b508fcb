#include "models/data/synth_dataset.h"

#include <charconv>

#include "engine/error.h"
#include "models/data/hash.h"
#include "models/image/image_io.h"
#include "models/synth/expressions.h"

namespace tapeline {
namespace {

class ExpressionDataset : public Dataset {
 public:
  ExpressionDataset(ExpressionOptions options, std::size_t count)
      : options_(std::move(options)), count_(count) {}

  std::size_t size() const override { return count_; }
  std::string name(std::size_t index) const override { return fmt::format("expression {}", index); }
  /// The text alone, without the picture: what render_expression() draws first.
  std::string text(std::size_t index) const override {
    Random random(options_.seed, index);
    return draw_expression(options_, random);
  }
  Sample load(std::size_t index, int channels) const override {
    auto [text, image] = render_expression(options_, index);
    return {name(index), std::move(text), convert(image, channels)};
  }
  std::uint64_t content_hash(std::size_t index) const override {
    const auto rendered = render_expression(options_, index);
    return hash_bytes(std::as_bytes(std::span(rendered.image.pixels)));
  }
  bool rendered() const override { return true; }

 private:
  ExpressionOptions options_;
  std::size_t count_;
};

/// Takes `count=N` out of the options.
std::size_t take_count(std::string& options) {
  constexpr std::string_view kCount = "count=";
  std::size_t count = Dataset::kEndless;
  std::string rest;
  for (std::size_t at = 0; at < options.size();) {
    const auto end = std::min(options.find('&', at), options.size());
    const auto option = std::string_view(options).substr(at, end - at);
    at = end + 1;
    if (!option.starts_with(kCount)) {
      rest.append(rest.empty() ? "" : "&").append(option);
      continue;
    }
    const auto value = option.substr(kCount.size());
    const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), count);
    if (error != std::errc{} || stop != value.data() + value.size() || count == 0)
      throw Error("synth: {}: expected a positive number of images", option);
  }
  options = rest;
  return count;
}

}  // namespace

DatasetPtr open_synth_dataset(std::string_view kind_and_options) {
  const auto question = std::min(kind_and_options.find('?'), kind_and_options.size());
  const auto kind = kind_and_options.substr(0, question);
  if (kind != "expressions") throw Error("synth:{}: is unknown: the kinds are: expressions", kind);
  std::string options(kind_and_options.substr(std::min(question + 1, kind_and_options.size())));
  const auto count = take_count(options);
  return std::make_shared<ExpressionDataset>(parse_expression_options(options), count);
}

}  // namespace tapeline
