#include "models/data/subset.h"

#include <algorithm>
#include <charconv>

#include "engine/error.h"

namespace tapeline {
namespace {

/// Some samples of another set.
class View : public Dataset {
 public:
  explicit View(DatasetPtr whole) : whole_(std::move(whole)) {}

  std::string name(std::size_t index) const override { return whole_->name(index_in_whole(index)); }
  std::string text(std::size_t index) const override { return whole_->text(index_in_whole(index)); }
  Sample load(std::size_t index, int channels) const override {
    return whole_->load(index_in_whole(index), channels);
  }
  std::uint64_t content_hash(std::size_t index) const override {
    return whole_->content_hash(index_in_whole(index));
  }
  const std::vector<Problem>& problems() const override { return whole_->problems(); }
  bool rendered() const override { return whole_->rendered(); }

 private:
  virtual std::size_t index_in_whole(std::size_t index) const = 0;

  DatasetPtr whole_;
};

class Range : public View {
 public:
  Range(DatasetPtr whole, std::size_t from, std::size_t to)
      : View(std::move(whole)), from_(from), size_(to - from) {}
  std::size_t size() const override { return size_; }

 private:
  std::size_t index_in_whole(std::size_t index) const override { return from_ + index; }

  std::size_t from_, size_;
};

class Selection : public View {
 public:
  Selection(DatasetPtr whole, std::vector<std::uint32_t> indices)
      : View(std::move(whole)), indices_(std::move(indices)) {}
  std::size_t size() const override { return indices_.size(); }

 private:
  std::size_t index_in_whole(std::size_t index) const override { return indices_[index]; }

  std::vector<std::uint32_t> indices_;
};

template <typename Number>
bool parse_number(std::string_view text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && rest == end;
}

std::string describe(const Slice& slice) {
  return fmt::format("#{}:{}", slice.from ? std::to_string(*slice.from) : "",
                     slice.to ? std::to_string(*slice.to) : "");
}

}  // namespace

std::optional<Slice> parse_slice(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Slice slice;
  const auto parse = [](std::string_view bound, std::optional<std::int64_t>& value) {
    return bound.empty() || parse_number(bound, value.emplace());
  };
  if (!parse(text.substr(0, colon), slice.from) || !parse(text.substr(colon + 1), slice.to))
    return std::nullopt;
  return slice;
}

DatasetPtr take_slice(DatasetPtr dataset, const Slice& slice) {
  const bool from_end = slice.from.value_or(0) < 0 || slice.to.value_or(-1) < 0;
  if (dataset->endless() && from_end)
    throw Error("{}: the set is endless: give a range with two bounds that are not negative, such as #0:2000",
                describe(slice));
  const auto size = dataset->endless() ? std::numeric_limits<std::int64_t>::max()
                                       : static_cast<std::int64_t>(dataset->size());
  const auto resolve = [&](std::int64_t bound) {
    return std::clamp<std::int64_t>(bound < 0 ? bound + size : bound, 0, size);
  };
  const auto from = resolve(slice.from.value_or(0)), to = resolve(slice.to.value_or(size));
  if (from >= to) {
    const auto samples = dataset->endless() ? std::string("an endless set") : fmt::format("{} samples", size);
    throw Error("{}: is an empty range of {}", describe(slice), samples);
  }
  return std::make_shared<Range>(std::move(dataset), static_cast<std::size_t>(from),
                                 static_cast<std::size_t>(to));
}

DatasetPtr take_first(DatasetPtr dataset, std::size_t count) {
  if (count == 0) throw Error("a limit of 0 leaves no samples: give 1 or more");
  const auto size = std::min(count, dataset->size());
  return std::make_shared<Range>(std::move(dataset), 0, size);
}

Split parse_split(std::string_view text) {
  const auto colon = text.find(':');
  Split split{};
  const auto is_share = [](std::string_view share, double& value) {
    return parse_number(share, value) && value > 0 && value < 1e9;
  };
  if (colon == std::string_view::npos || !is_share(text.substr(0, colon), split.training) ||
      !is_share(text.substr(colon + 1), split.validation))
    throw Error("split \"{}\": expected the shares of training and validation, such as 0.8:0.2", text);
  const double sum = split.training + split.validation;
  return {split.training / sum, split.validation / sum};
}

DatasetPtr take_part(DatasetPtr dataset, const Split& split, Part part) {
  if (dataset->endless()) throw Error("an endless set cannot be split: give the parts different seeds");
  const auto part_of = [&](std::size_t index) {
    try {
      const double place = static_cast<double>(dataset->content_hash(index) >> 11) * 0x1p-53;
      return place < split.training ? Part::training : Part::validation;
    } catch (const Error&) {
      return Part::training;
    }
  };
  std::vector<std::uint32_t> indices;
  for (std::size_t i = 0; i < dataset->size(); ++i)
    if (part_of(i) == part) indices.push_back(static_cast<std::uint32_t>(i));
  if (indices.empty())
    throw Error("split {:.3g}:{:.3g}: the {} part of {} samples is empty: give it a larger share",
                split.training, split.validation, part == Part::training ? "training" : "validation",
                dataset->size());
  return std::make_shared<Selection>(std::move(dataset), std::move(indices));
}

}  // namespace tapeline
