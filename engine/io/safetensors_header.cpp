#include "engine/io/safetensors_header.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "engine/error.h"

namespace tapeline {

namespace {

using nlohmann::json;

/// Follows the parser through the four places there are: before the header, among the tensors, in one of
/// them, in the metadata. Whatever else comes is refused where it begins, so nothing nests deeper.
class HeaderReader : public json::json_sax_t {
 public:
  HeaderReader(const std::string& file, std::map<std::string, std::string>& metadata,
               std::map<std::string, Safetensors::Entry>& entries)
      : file_(file), metadata_(metadata), entries_(entries) {}

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) return enter(Place::top);
    if (place_ == Place::top && name_ == "__metadata__") return enter(Place::metadata);
    if (place_ == Place::top) return fields_ = {}, enter(Place::tensor);
    refuse("an object");
  }

  bool key(std::string& key) override {
    if (key.size() > kLongestName)
      throw Error("{}: a name of {} bytes; no more than {} are possible", file_, key.size(), kLongestName);
    if (place_ == Place::top) {
      if (entries_.contains(key) || (key == "__metadata__" && has_metadata_))
        throw Error("{}: holds '{}' twice; the file is damaged", file_, key);
      has_metadata_ |= key == "__metadata__";
      name_ = key;
    } else {
      key_ = key;
    }
    return true;
  }

  bool string(std::string& text) override {
    if (place_ == Place::metadata) {
      if (!metadata_.emplace(key_, text).second) throw Error("{}: metadata hold '{}' twice", file_, key_);
      return true;
    }
    if (place_ != Place::tensor || key_ != "dtype" || in_array_ || fields_.dtype) refuse("a text");
    fields_.dtype = text;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || in_array_ || !numbers() || *numbers()) refuse("a list");
    numbers()->emplace();
    return in_array_ = true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (!in_array_) refuse("a number");
    if (value > std::uint64_t{INT64_MAX})
      throw Error("{}: tensor '{}': {} is too large", file_, name_, value);
    if ((*numbers())->size() == kMost)
      throw Error("{}: tensor '{}': {} has more than {} numbers, which is all there is room for", file_,
                  name_, key_, kMost);
    (*numbers())->push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::top) return enter(Place::outside);
    if (place_ == Place::tensor) add_entry();
    return enter(Place::top);
  }

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a truth value"); }
  bool number_integer(std::int64_t) override { refuse("a negative number"); }
  bool number_float(double, const std::string&) override {
    refuse("a fraction, or a number that is too large");
  }
  bool binary(json::binary_t&) override { refuse("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const json::exception&) override {
    throw Error("{}: the header is not JSON at byte {}; not a safetensors file, or damaged", file_, position);
  }

 private:
  enum class Place : std::uint8_t { outside, top, tensor, metadata };
  static constexpr std::size_t kMost = Shape::kMaxRank, kLongestName = 4096;

  struct Fields {
    std::optional<std::string> dtype;
    std::optional<std::vector<std::int64_t>> shape, offsets;
  };

  bool enter(Place place) {
    place_ = place;
    return true;
  }

  std::optional<std::vector<std::int64_t>>* numbers() {
    return key_ == "shape" ? &fields_.shape : key_ == "data_offsets" ? &fields_.offsets : nullptr;
  }

  [[noreturn]] void refuse(const char* what) const {
    if (place_ == Place::outside) throw Error("{}: the header is {}, not an object of tensors", file_, what);
    if (place_ == Place::top)
      throw Error("{}: '{}' is {}, not the description of a tensor; the file is damaged", file_, name_, what);
    if (place_ == Place::metadata)
      throw Error("{}: metadata '{}' is {}; only texts are allowed", file_, key_, what);
    throw Error("{}: tensor '{}': {} where '{}' stands; wanted are once each dtype, shape, data_offsets",
                file_, name_, what, key_);
  }

  void add_entry() {
    const auto& [dtype, shape, offsets] = fields_;
    if (!dtype || !shape || !offsets)
      throw Error("{}: tensor '{}' lacks {}; the file is damaged", file_, name_,
                  !dtype   ? "dtype"
                  : !shape ? "shape"
                           : "data_offsets");
    const auto type = std::ranges::find(kSafetensorsTypes, *dtype, [](const auto& t) { return t.first; });
    if (type == kSafetensorsTypes.end())
      throw Error("{}: tensor '{}' has type '{}'; known are F32, F64, F16, BF16, I32, U8", file_, name_,
                  *dtype);
    if (offsets->size() != 2)
      throw Error("{}: tensor '{}' has {} data_offsets; there must be two", file_, name_, offsets->size());
    Safetensors::Entry entry;
    entry.dtype = type->second;
    try {
      entry.shape = Shape(std::span<const std::int64_t>(*shape));
    } catch (const Error& error) {
      throw Error("{}: tensor '{}': {}", file_, name_, error.what());
    }
    entry.begin = static_cast<std::size_t>((*offsets)[0]);
    entry.end = static_cast<std::size_t>((*offsets)[1]);
    entries_.emplace(name_, entry);
  }

  const std::string& file_;
  std::map<std::string, std::string>& metadata_;
  std::map<std::string, Safetensors::Entry>& entries_;
  Place place_ = Place::outside;
  bool in_array_ = false, has_metadata_ = false;
  std::string name_, key_;  // of the tensor; of what is within it, or within the metadata
  Fields fields_;
};

}  // namespace

void read_safetensors_header(std::string_view header, const std::string& file,
                             std::map<std::string, std::string>& metadata,
                             std::map<std::string, Safetensors::Entry>& entries) {
  HeaderReader reader(file, metadata, entries);
  json::sax_parse(header.begin(), header.end(), &reader);
}

}  // namespace tapeline
