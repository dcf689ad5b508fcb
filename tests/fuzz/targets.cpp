#include "tests/fuzz/targets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "engine/error.h"
#include "engine/io/safetensors.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "models/data/augment.h"
#include "models/data/dataset.h"
#include "models/data/listing.h"
#include "models/data/preprocess.h"
#include "models/data/subset.h"
#include "models/data/tar.h"
#include "models/image/image_io.h"
#include "models/network/geometry.h"
#include "models/network/vgsl.h"
#include "models/recognizer/model_metadata.h"
#include "models/text/charset.h"
#include "models/text/utf8.h"
#include "models/training/train_options.h"
#include "models/training/train_state.h"

namespace tapeline {

namespace {

void expect(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

Safetensors parse(std::string_view bytes) {
  return Safetensors::parse(std::as_bytes(std::span(bytes)), "file");
}

void read_safetensors(std::string_view bytes) {
  const Safetensors file = parse(bytes);
  std::size_t sum = 0;
  for (const auto& [name, entry] : file.entries()) {
    sum += file.bytes(name).size();
    expect(file.bytes(name).size() == size_of(entry.dtype) * static_cast<std::size_t>(entry.shape.elements()),
           "a tensor has as many bytes as its shape says");
  }
  expect(sum < bytes.size(), "tensors lie within the file");
}

/// What load_model() and --resume make of the metadata, up to where the device is asked for memory.
void read_checkpoint(std::string_view bytes) {
  const ModelMetadata said = ModelMetadata::of(parse(bytes));
  expect(!said.charset.empty(), "a model has characters");
  options_of_training(said.training);
  const TrainState state = TrainState::read(said.training);
  expect(state.step >= 0 && state.loss_scale.value >= 1, "a training has come to a step");
  nlohmann::json written = said.training;
  state.write(written, written.contains("loss_scale"));
  expect(written["state"]["step"] == said.training["state"]["step"],
         "a training's state is written as it was read");
}

void read_picture(std::string_view bytes) {
  const Image image = decode_image(std::as_bytes(std::span(bytes)), "file");
  expect(image.width > 0 && image.height > 0 && (image.channels == 1 || image.channels == 3),
         "a picture has pixels");
  expect(image.pixels.size() == static_cast<std::size_t>(image.width) * image.height * image.channels,
         "a picture has all its pixels");
  if (image.pixels.size() > 1 << 15) return;  // nothing new happens to them, and instrumented it takes long
  Preprocess to{.height = 20, .width = 60};
  expect(preprocess(image, to).size() == 20 * 60, "a picture is prepared");
  to = {.height = 20, .max_width = 200, .channels = 3, .normalise = Normalise::none};
  const int width = to.output_width(image.width, image.height);
  expect(width > 0 && width <= to.max_width, "a picture enters at a width that was allowed");
  expect(preprocess(image, to).size() == 20 * 3 * static_cast<std::size_t>(width), "a picture is prepared");
}

void read_network(std::string_view text) {
  const NetworkSpec spec = parse_vgsl(text);
  expect(spec.text == text, "a network keeps its text");
  expect(smallest_trace(spec, 20).parameters() >= 0, "a network has parameters");
}

/// A data set in memory: its first file is the list, the others are empty pictures.
class OneList : public FileTree {
 public:
  OneList(std::string name, std::string_view list) : names_{std::move(name), "1.png", "2.png"}, list_(list) {}
  const std::vector<std::string>& names() const override { return names_; }
  bool contains(const std::string& name) const override { return name == names_[0]; }
  std::vector<std::byte> read(const std::string&) const override {
    const auto bytes = std::as_bytes(std::span(list_));
    return {bytes.begin(), bytes.end()};
  }

 private:
  std::vector<std::string> names_;
  std::string_view list_;
};

void check_listing(const Listing& listing, bool stays) {
  for (std::size_t i = 0; i < listing.entries.size(); ++i) {
    const ListEntries::Entry entry = listing.entries[i];
    expect(is_valid_utf8(entry.text), "a label is UTF-8");
    expect(entry.text.find('\0') == std::string::npos, "a label has no control characters");
    if (stays)
      expect(!entry.file.starts_with("/") && !entry.file.starts_with("../"), "a list leads nowhere else");
  }
}

void read_list(std::string_view text) {
  check_listing(parse_list(text, "list", "", {.spaces = true}), false);
}
void read_labels(std::string_view text) {
  check_listing(list_samples(OneList("labels.tsv", text), "set"), true);
  check_listing(list_samples(OneList("labels.txt", text), "set"), true);
}

void read_tar(std::string_view bytes) {
  const int file = ::memfd_create("tar", 0);
  if (file < 0 || ::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("memfd_create");
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  try {
    const auto tree = open_tar(path);
    for (const std::string& name : tree->names())
      expect(tree->read(name).size() <= bytes.size(), "a member fits");
    list_samples(*tree, path);
  } catch (...) {
    ::close(file);
    throw;
  }
  ::close(file);
}

/// The checksum of each header, as far as their sizes lead.
void repair_tar(std::span<char> bytes) {
  constexpr std::size_t kBlock = 512, kSize = 124, kSum = 148;
  while (bytes.size() >= kBlock && bytes[0] != 0) {
    std::fill_n(&bytes[kSum], 8, ' ');
    unsigned sum = 0;
    for (const char c : bytes.first(kBlock)) sum += static_cast<unsigned char>(c);
    fmt::format_to_n(&bytes[kSum], 6, "{:06o}", sum);
    bytes[kSum + 6] = 0;

    std::size_t data = 0;
    for (const char c : bytes.subspan(kSize, 11)) data = data * 8 + static_cast<std::size_t>(c & 7);
    bytes = bytes.subspan(std::min(bytes.size(), kBlock + (data + kBlock - 1) / kBlock * kBlock));
  }
}

/// Options: each reader takes the text, or says why not.
void read_options(std::string_view text) {
  const auto each = {
      +[](std::string_view t) { parse_augment(t); },
      +[](std::string_view t) { parse_schedule(t, 1e-3).at(3, 9); },
      +[](std::string_view t) { parse_optimizer(t); },
      +[](std::string_view t) { parse_decay_rules(t); },
      +[](std::string_view t) { parse_slice(t); },
      +[](std::string_view t) { parse_split(t); },
  };
  for (const auto read : each) try {
      read(text);
    } catch (const Error&) {
    }
}

/// The grammar of --data, for rendered sets alone: no path of the fuzzer's own making is opened.
void read_data(std::string_view text) {
  const DatasetPtr data = open_dataset("synth:" + std::string(text));
  if (data->size() > 0 && data->size() < 1000)
    expect(!data->load(0, 1).image.empty(), "a sample is rendered");
}

void read_charset(std::string_view text) {
  const Charset charset(text);
  expect(charset.to_string() == text, "a charset keeps its text");
  std::vector<int> classes;
  for (int c = 1; c <= charset.size(); ++c) classes.push_back(c);
  expect(charset.encode(charset.decode(classes)) == classes, "a charset reads what it wrote");
}

constexpr FuzzTarget kTargets[] = {
    {"charset", read_charset},
    {"checkpoint", read_checkpoint},
    {"data", read_data},
    {"labels", read_labels},
    {"list", read_list},
    {"network", read_network},
    {"options", read_options},
    {"picture", read_picture},
    {"safetensors", read_safetensors},
    {"tar", read_tar, repair_tar},
};

}  // namespace

std::span<const FuzzTarget> fuzz_targets() { return kTargets; }

const FuzzTarget& find_fuzz_target(std::string_view name) {
  for (const FuzzTarget& target : kTargets)
    if (target.name == name) return target;
  throw std::runtime_error("there is no fuzz target " + std::string(name));
}

bool survives(const FuzzTarget& target, std::string_view bytes) {
  try {
    target.run(bytes);
    return true;
  } catch (const Error& error) {
    expect(!std::string_view(error.what()).empty(), "an error says something");
    return false;
  }
}

}  // namespace tapeline
