#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "engine/error.h"
#include "models/data/augment.h"
#include "models/data/cached_dataset.h"
#include "models/data/dataset.h"
#include "models/data/loader.h"
#include "models/data/natural_order.h"
#include "models/data/preprocess.h"
#include "models/data/subset.h"
#include "models/data/tar.h"
#include "models/image/image_io.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

using namespace tapeline;
namespace fs = std::filesystem;

namespace {

/// A folder of texts and images that is there as long as the test.
class DataFolder {
 public:
  std::string path(const std::string& name = "") const {
    return name.empty() ? folder_.path().string() : (folder_ / name).string();
  }

  void write(const std::string& name, std::string_view content) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << content;
  }

  /// An image that no other `tone` has.
  void write_image(const std::string& name, int tone = 0, int width = 12, int height = 6) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    Image image(width, height, 1, static_cast<std::uint8_t>(tone));
    image.pixels[0] = static_cast<std::uint8_t>(tone / 256);
    write_png(path(name), image);
  }

 private:
  TemporaryFolder folder_;
};

std::vector<std::string> texts_of(const Dataset& dataset) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < dataset.size(); ++i) texts.push_back(dataset.text(i));
  return texts;
}

using Texts = std::vector<std::string>;

/// A member of a tar as POSIX has it, with a checksum.
std::string tar_member(const std::string& name, std::string_view content, char type = '0') {
  std::string header(512, '\0');
  header.replace(0, std::min<std::size_t>(name.size(), 100), name.substr(0, 100));
  header.replace(124, 12, fmt::format("{:011o} ", content.size()));
  header[156] = type;
  header.replace(257, 8, std::string("ustar\00000", 8));
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  header.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  std::string padded(content);
  padded.resize((content.size() + 511) / 512 * 512);
  return header + padded;
}

std::string png_bytes(int tone) {
  const auto bytes = encode_png(Image(12, 6, 1, static_cast<std::uint8_t>(tone)));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const std::string kTarEnd(1024, '\0');

/// In memory: image i is 8 high, `widths[i % n]` wide, its text the number i.
class NumbersDataset : public Dataset {
 public:
  explicit NumbersDataset(std::size_t size, std::vector<int> widths = {16})
      : size_(size), widths_(std::move(widths)) {}

  std::size_t size() const override { return size_; }
  std::string name(std::size_t index) const override { return "number " + std::to_string(index); }
  std::string text(std::size_t index) const override { return std::to_string(index); }
  std::uint64_t content_hash(std::size_t index) const override { return index; }
  Sample load(std::size_t index, int channels) const override {
    ++loads;
    if (index == broken) throw Error("{}: is broken", name(index));
    Image image(widths_[index % widths_.size()], 8, channels, static_cast<std::uint8_t>(index));
    image.pixels[3] = 255;
    return {name(index), text(index), image};
  }
  bool rendered() const override { return is_rendered; }

  mutable std::atomic<int> loads = 0;
  std::size_t broken = kEndless;
  bool is_rendered = false;

 private:
  std::size_t size_;
  std::vector<int> widths_;
};

LabelRules digits(std::function<int(int)> frames = {}) { return {Charset("0123456789"), std::move(frames)}; }

LoaderOptions small_options(int batch_size, int threads) {
  LoaderOptions options;
  options.order.batch_size = batch_size;
  options.order.seed = 5;
  options.preprocess.height = 8;
  options.labels = digits();
  options.augment = parse_augment("light");
  options.threads = threads;
  return options;
}

DataReport check(const Dataset& dataset, const LoaderOptions& options) {
  return check_dataset(dataset, options.preprocess, options.labels);
}

bool same(const Batch& a, const Batch& b) {
  return a.pixels == b.pixels && a.offsets == b.offsets && a.factors == b.factors && a.labels == b.labels &&
         a.widths == b.widths && a.texts == b.texts && a.indices == b.indices &&
         a.label_lengths == b.label_lengths && a.names == b.names && a.width == b.width;
}

}  // namespace

TEST_CASE("natural order") {
  Texts names = {"b1", "a10", "a9", "a09", "A2", "a", "a1b10", "a1b9", "10", "9", "é"};
  std::sort(names.begin(), names.end(), natural_less);
  CHECK(names == Texts{"9", "10", "A2", "a", "a1b9", "a1b10", "a09", "a9", "a10", "b1", "é"});
  CHECK_FALSE(natural_less("a1", "a1"));
}

TEST_CASE("a folder of images: the label is in the name") {
  const DataFolder folder;
  for (const auto* name : {"10_zehn.png", "9_neun.png", "plain.PNG", "a_b_3+4.png"}) folder.write_image(name);
  folder.write("notes.md", "no image");
  const auto dataset = open_dataset(folder.path());
  CHECK(texts_of(*dataset) == Texts{"neun", "zehn", "3+4", "plain"});
  CHECK(dataset->name(0) == "9_neun.png");
  CHECK(dataset->load(0, 3).image.channels == 3);
  CHECK(dataset->load(0, 1).image.width == 12);
}

TEST_CASE("a folder with labels.tsv: BOM, CRLF, empty and bad lines") {
  const DataFolder folder;
  folder.write_image("images/x.png");
  folder.write("labels.tsv",
               "\xEF\xBB\xBFimages/x.png\tab c\t d \r\n\r\nno tab\r\nimages/y.png\t\xFF\nimages/z.png\tz");
  const auto dataset = open_dataset(folder.path());
  CHECK(texts_of(*dataset) == Texts{"ab c\t d ", "z"});
  REQUIRE(dataset->problems().size() == 2);
  CHECK(dataset->problems()[0].name == "labels.tsv:3");
  CHECK(dataset->problems()[1].name == "labels.tsv:4");
  CHECK(dataset->load(0, 1).name == "images/x.png");
  CHECK(fails_with([&] { dataset->load(1, 1); }, "z.png"));
  CHECK(fails_with([&] { open_dataset(folder.path(), true); }, "labels.tsv:3"));
}

TEST_CASE("a folder with labels.txt: line i is image i") {
  const DataFolder folder;
  folder.write_image("1.png");
  folder.write_image("02.png");
  folder.write_image("10.png");
  folder.write("labels.txt", "eins\nzwei\ndrei\n");
  const auto dataset = open_dataset(folder.path());
  CHECK(texts_of(*dataset) == Texts{"eins", "zwei"});
  CHECK(dataset->name(1) == "02.png");
  REQUIRE(dataset->problems().size() == 1);
  CHECK(dataset->problems()[0].name == "labels.txt:3");
}

TEST_CASE("a list of paths and texts") {
  const DataFolder folder;
  folder.write_image("a/1.png");
  folder.write("a/list.txt", "1.png a b\n1.png\tx y\n" + folder.path("a/1.png") + " abs\nnothing\n");
  const auto dataset = open_dataset(folder.path("a/list.txt"));
  CHECK(texts_of(*dataset) == Texts{"a b", "x y", "abs"});
  CHECK(dataset->problems().size() == 1);
  for (std::size_t i = 0; i < 3; ++i) CHECK(dataset->load(i, 1).image.height == 6);
}

TEST_CASE("data that cannot be opened says why") {
  const DataFolder folder;
  CHECK(fails_with([&] { open_dataset(folder.path("none")); }, "there is no such file"));
  CHECK(fails_with([&] { open_dataset(folder.path()); }, "no labels.tsv"));
  folder.write("empty.txt", "");
  CHECK(fails_with([&] { open_dataset(folder.path("empty.txt")); }, "empty"));
  folder.write("zip.tar.gz", "\x1F\x8B\x08");
  CHECK(fails_with([&] { open_dataset(folder.path("zip.tar.gz")); }, "compressed"));
  folder.write_image("x.png");
  CHECK(fails_with([&] { open_dataset(folder.path("x.png")); }, "is one image"));
  folder.write("noise", std::string("\0\1\2\xFF\xFE", 5));
  CHECK_THROWS_AS(open_dataset(folder.path("noise")), Error);
  CHECK(fails_with([&] { open_dataset("synth:cats"); }, "expressions"));
  CHECK(fails_with([&] { open_dataset("synth:expressions?count=0"); }, "positive"));
  CHECK_THROWS_AS(open_dataset("synth:expressions?kount=5"), Error);
  CHECK_THROWS_AS(open_dataset(""), Error);
}

TEST_CASE("rendered sets") {
  const auto endless = open_dataset("synth:expressions?seed=7");
  CHECK(endless->endless());
  const auto counted = open_dataset("synth:expressions?count=5&seed=7");
  CHECK(counted->size() == 5);
  CHECK(counted->text(4) == endless->text(4));
  CHECK(counted->load(4, 1).image.channels == 1);
  for (std::size_t i = 0; i < 5; ++i) CHECK(counted->load(i, 3).text == counted->text(i));
  CHECK(counted->content_hash(4) == endless->content_hash(4));
  const auto range = open_dataset("synth:expressions?seed=7#3:5");
  CHECK(range->size() == 2);
  CHECK(range->text(1) == counted->text(4));
  CHECK(take_first(endless, 3)->size() == 3);
  CHECK(fails_with([] { open_dataset("synth:expressions#-3:"); }, "endless"));
  CHECK(fails_with([] { open_dataset("synth:expressions#3:"); }, "endless"));
  CHECK(fails_with([&] { take_part(endless, {.5, .5}, Part::training); }, "endless"));
}

TEST_CASE("a tar is read in place") {
  const DataFolder folder;
  const std::string long_name = "set/images/" + std::string(150, 'n') + ".png";
  const std::string record = "path=set/images/pax.png\n";
  folder.write("set.tar",
               tar_member("./set/", "", '5') + tar_member("set/images/1.png", png_bytes(1)) +
                   tar_member("././@LongLink", long_name + '\0', 'L') + tar_member("cut", png_bytes(2)) +
                   tar_member("pax", fmt::format("{} {}", record.size() + 3, record), 'x') +
                   tar_member("short", png_bytes(3)) +
                   tar_member("set/labels.tsv", "images/1.png\teins\nimages/pax.png\tpax\nimages/" +
                                                    std::string(150, 'n') + ".png\tlong\n") +
                   kTarEnd);
  const auto dataset = open_dataset(folder.path("set.tar"));
  CHECK(texts_of(*dataset) == Texts{"eins", "pax", "long"});
  CHECK(dataset->load(0, 1).image.pixels[0] == 1);
  CHECK(dataset->load(1, 1).image.pixels[0] == 3);
  CHECK(dataset->load(2, 1).image.pixels[0] == 2);
  CHECK(dataset->problems().empty());
}

TEST_CASE("a tar of labelled images, and one whose list names what is not there") {
  const DataFolder folder;
  folder.write("names.tar",
               tar_member("d/7_sieben.png", png_bytes(1)) + tar_member("d/1_eins.png", png_bytes(2)));
  CHECK(texts_of(*open_dataset(folder.path("names.tar"))) == Texts{"eins", "sieben"});
  folder.write("missing.tar", tar_member("labels.tsv", "no.png\tx\n") + kTarEnd);
  const auto dataset = open_dataset(folder.path("missing.tar"));
  CHECK(fails_with([&] { dataset->load(0, 1); }, "no.png"));
  folder.write("two.tar", tar_member("a/labels.tsv", "x\tx") + tar_member("b/labels.tsv", "x\tx"));
  CHECK(fails_with([&] { open_dataset(folder.path("two.tar")); }, "a/labels.tsv"));
}

TEST_CASE("hostile tars are errors") {
  const DataFolder folder;
  const auto good = tar_member("labels.tsv", "1.png\teins\n") + tar_member("1.png", png_bytes(1)) + kTarEnd;
  const auto expect_error = [&](const std::string& content, std::string_view part) {
    folder.write("bad.tar", content);
    return fails_with([&] { list_tar(folder.path("bad.tar")); }, part);
  };
  CHECK(expect_error("short", "is not a tar"));
  CHECK(expect_error(std::string(512, 'x'), "checksum"));
  CHECK(expect_error(good.substr(0, 512 + 512 + 512 + 10), "larger than the file"));
  CHECK(expect_error(good.substr(0, 520), "larger than the file"));
  CHECK(expect_error(tar_member("x", "", 'S'), "sparse"));
  CHECK(expect_error(tar_member("x", "99 path=a\n", 'x') + good, "pax"));
  CHECK(expect_error(tar_member("x", "0 path=a\n", 'x') + good, "pax"));
  CHECK(expect_error(tar_member("x", "18446744073709551615 path=a\n", 'x') + good, "pax"));
  CHECK(expect_error(tar_member("x", "29 size=18446744073709551615\n", 'x') + good, "larger than the file"));
  CHECK(expect_error(tar_member("x", std::string((1 << 20) + 1, 'n'), 'L') + good, "1 MiB"));

  // One byte changed anywhere in the first header: an error or a listing, never anything else.
  for (std::size_t i = 0; i < 512; ++i)
    for (const char value : {'\xFF', '\x80', '7', '\0'}) {
      auto damaged = good;
      damaged[i] = value;
      folder.write("bad.tar", damaged);
      try {
        const auto members = list_tar(folder.path("bad.tar"));
        CHECK(members.size() <= 2);
      } catch (const Error&) {
      }
    }
}

TEST_CASE("ranges are those of Python") {
  const DataFolder folder;
  std::string list;
  for (int i = 0; i < 10; ++i) list += fmt::format("{0}.png\t{0}\n", i);
  folder.write("list.tsv", list);
  const auto path = folder.path("list.tsv");
  const auto part = [&](const std::string& range) { return texts_of(*open_dataset(path + range)); };
  CHECK(part("#0:3") == Texts{"0", "1", "2"});
  CHECK(part("#-2:") == Texts{"8", "9"});
  CHECK(part("#:2") == Texts{"0", "1"});
  CHECK(part("#:-8") == Texts{"0", "1"});
  CHECK(part("#-3:-1") == Texts{"7", "8"});
  CHECK(part("#8:100") == Texts{"8", "9"});
  CHECK(part("#-100:1") == Texts{"0"});
  CHECK(part("#:").size() == 10);
  CHECK(fails_with([&] { part("#5:5"); }, "empty range of 10 samples"));
  CHECK(fails_with([&] { part("#99:"); }, "empty range"));
  CHECK(fails_with([&] { part("#-9223372036854775808:-9223372036854775808"); }, "empty range"));
  for (const auto* bad : {"#5", "#a:b", "#1:2:3", "#", "#1:99999999999999999999", "#1:2x"}) {
    CAPTURE(bad);
    CHECK(fails_with([&] { part(bad); }, "is not a range"));
  }
  folder.write("odd#0:1", list);
  CHECK(open_dataset(folder.path("odd#0:1"))->size() == 10);
  CHECK(take_first(open_dataset(path), 4)->size() == 4);
  CHECK(take_first(open_dataset(path), 400)->size() == 10);
  CHECK_THROWS_AS(take_first(open_dataset(path), 0), Error);
}

TEST_CASE("a split depends on what the images hold alone") {
  const DataFolder folder;
  const auto write = [&](const std::string& sub, bool reverse, int count) {
    std::string list;
    for (int i = 0; i < count; ++i) {
      const int tone = reverse ? count - 1 - i : i;
      folder.write_image(fmt::format("{}/f{}.png", sub, i), tone);
      list += fmt::format("f{}.png\t{}\n", i, tone);
    }
    folder.write(sub + "/labels.tsv", list);
    return open_dataset(folder.path(sub));
  };
  const Split split = parse_split("0.7:0.3");
  const auto parts = [&](const DatasetPtr& dataset, Part part) {
    const auto texts = texts_of(*take_part(dataset, split, part));
    return std::set<std::string>(texts.begin(), texts.end());
  };
  const auto a = write("a", false, 150), b = write("b", true, 150), more = write("c", false, 200);
  const auto training = parts(a, Part::training), validation = parts(a, Part::validation);
  CHECK(training.size() + validation.size() == 150);
  CHECK(training.size() > 80);
  CHECK(training.size() < 130);
  CHECK(parts(b, Part::training) == training);
  const auto larger = parts(more, Part::training);
  CHECK(std::includes(larger.begin(), larger.end(), training.begin(), training.end()));
  for (const auto& text : validation) CHECK_FALSE(larger.contains(text));
}

TEST_CASE("splits: shares of any sum; errors") {
  CHECK(parse_split("4:1").training == doctest::Approx(.8));
  CHECK(parse_split("0.8:0.2").validation == doctest::Approx(.2));
  for (const auto* bad : {"", "0.8", "0.8:", "a:b", "0:1", "-1:2", "nan:1", "inf:1", "1:1:1"})
    CHECK(fails_with([&] { parse_split(bad); }, "0.8:0.2"));
  const auto tiny = std::make_shared<NumbersDataset>(2);
  CHECK(fails_with([&] { take_part(tiny, {.5, .5}, Part::validation); }, "empty"));
}

TEST_CASE("preprocess: size, grey, and normalisation") {
  Preprocess options{.height = 4, .width = 0, .max_width = 20, .channels = 1, .normalise = Normalise::none};
  CHECK(options.output_width(16, 8) == 8);
  CHECK(options.output_width(1, 800) == 1);
  CHECK(options.output_width(1000, 8) == 20);
  options.width = 6;
  CHECK(options.output_width(1000, 8) == 6);

  Image red(12, 8, 3, 0);
  for (int y = 0; y < 8; ++y)
    for (int x = 0; x < 12; ++x) red.at(x, y)[0] = 255;
  const auto grey = preprocess(red, options);
  REQUIRE(grey.size() == 24);
  for (const float value : grey) CHECK(value == doctest::Approx(.299).epsilon(.01));

  options.channels = 3;
  const auto colour = preprocess(red, options);
  REQUIRE(colour.size() == 72);
  CHECK(colour[0] == 1);
  CHECK(colour[1] == 0);

  options.channels = 1;
  options.normalise = Normalise::per_image;
  Image halves(6, 4, 1, 50);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 3; ++x) *halves.at(x, y) = 150;
  const auto normal = preprocess(halves, options);
  CHECK(normal[0] == doctest::Approx(1));
  CHECK(normal[5] == doctest::Approx(-1));
  for (const float value : preprocess(Image(6, 4, 1, 99), options)) CHECK(value == 0);
  CHECK_THROWS_AS(preprocess(Image(), options), Error);
}

TEST_CASE("preprocess: to JSON and back; bad fields are named") {
  const Preprocess options{
      .height = 32, .width = 100, .max_width = 512, .channels = 3, .normalise = Normalise::none};
  CHECK(preprocess_from_json(to_json(options)) == options);
  CHECK(preprocess_from_json(to_json(Preprocess{})) == Preprocess{});
  const auto broken = [&](const char* field, const nlohmann::json& value) {
    auto json = to_json(options);
    json[field] = value;
    return fails_with([&] { preprocess_from_json(json); }, field);
  };
  CHECK(broken("height", 0));
  CHECK(broken("height", "32"));
  CHECK(broken("width", -1));
  CHECK(broken("width", 1e30));
  CHECK(broken("max_width", nullptr));
  CHECK(broken("channels", 2));
  CHECK(broken("channels", 18446744073709551615u));
  CHECK(broken("normalise", "other"));
  CHECK(broken("normalise", 3));
  CHECK_THROWS_AS(preprocess_from_json(nlohmann::json::array()), Error);
}

TEST_CASE("augment: options from text") {
  CHECK_FALSE(parse_augment("none").any());
  CHECK(parse_augment("light").any());
  CHECK(parse_augment("rotate=5,shear=.2").rotate == 5);
  CHECK(parse_augment("rotate=5,shear=.2").scale == 0);
  const auto changed = parse_augment("strong,invert=.5,lines=0");
  CHECK(changed.invert == .5f);
  CHECK(changed.lines == 0);
  CHECK(changed.rotate == parse_augment("strong").rotate);
  for (const auto* text : {"none", "light", "strong,invert=.25"})
    CHECK(parse_augment(to_string(parse_augment(text))) == parse_augment(text));
  for (const auto* bad : {"", "medium", "rotate", "rotat=5", "light,strong", "light,,", "=3"})
    CHECK(fails_with([&] { parse_augment(bad); }, "none, light, strong"));
  for (const auto* bad :
       {"rotate=", "rotate=x", "rotate=-1", "rotate=181", "rotate=nan", "rotate=1e99", "rotate=5 "})
    CHECK(fails_with([&] { parse_augment(bad); }, "from 0 to 180"));
}

TEST_CASE("augment: the warm-up raises every limit in step") {
  const auto options = parse_augment("rotate=8,lines=4,invert=.5,warmup=1000");
  CHECK_FALSE(at_position(options, 0).rotate > 0);
  CHECK(at_position(options, 250).rotate == 2);
  CHECK(at_position(options, 250).lines == 1);
  CHECK(at_position(options, 500).invert == .25f);
  CHECK(at_position(options, 500).warmup == 1000);
  CHECK(at_position(options, 1000) == options);
  CHECK(at_position(parse_augment("rotate=8"), 0).rotate == 8);
}

TEST_CASE("augment: a function of the generator; sizes stay") {
  const auto options = parse_augment("strong,invert=.5");
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 40}, {40, 1}, {2, 2}, {200, 50}, {7, 300}})
    for (const int channels : {1, 3}) {
      Image image(width, height, channels, 200);
      image.pixels[image.pixels.size() / 2] = 10;
      Random a(1, 2), b(1, 2);
      const Image changed = augment(image, a, options);
      CHECK(changed.width == width);
      CHECK(changed.height == height);
      CHECK(changed.channels == channels);
      CHECK(changed.pixels == augment(image, b, options).pixels);
    }
  Random random(1);
  const Image image(30, 20, 3, 77);
  CHECK(augment(image, random, {}).pixels == image.pixels);
  CHECK(augment(Image(), random, options).empty());
}

TEST_CASE("augment: the widest options stay within bounds") {
  const auto all = parse_augment(
      "rotate=180,shear=2,scale=.9,stretch=.9,shift=1,perspective=.6,elastic=1,thickness=2,lines=100,erase="
      "100,"
      "brightness=1,contrast=1,gamma=10,colour=1,invert=1,blur=1,noise=1");
  for (std::uint64_t stream = 0; stream < 30; ++stream) {
    Random random(3, stream);
    CHECK(augment(Image(33, 17, 3, 128), random, all).pixels.size() == 33 * 17 * 3);
  }
}

TEST_CASE("augment: each change does what its name says") {
  Image image(60, 30, 1, 220);
  for (int y = 8; y < 22; ++y)
    for (int x = 25; x < 29; ++x) *image.at(x, y) = 20;
  const auto dark = [](const Image& picture) {
    return std::count_if(picture.pixels.begin(), picture.pixels.end(), [](int value) { return value < 120; });
  };
  const auto mean = [](const Image& picture) {
    double sum = 0;
    for (const int value : picture.pixels) sum += value;
    return sum / static_cast<double>(picture.pixels.size());
  };
  const auto apply = [&](const char* options, std::uint64_t stream) {
    Random random(9, stream);
    return augment(image, random, parse_augment(options));
  };
  bool thinner = false, thicker = false, lined = false, erased = false;
  for (std::uint64_t stream = 0; stream < 40; ++stream) {
    thinner |= dark(apply("thickness=1.5", stream)) < dark(image);
    thicker |= dark(apply("thickness=1.5", stream)) > dark(image);
    lined |= dark(apply("lines=2", stream)) > dark(image);
    erased |= dark(apply("erase=9", stream)) < dark(image);
    // A turned stroke keeps its ink, and what comes in from outside is paper.
    const Image turned = apply("rotate=20", stream);
    CHECK(std::abs(dark(turned) - dark(image)) < 20);
    for (const auto& [x, y] : {std::pair{0, 0}, {59, 0}, {0, 29}, {59, 29}}) CHECK(*turned.at(x, y) == 220);
    CHECK(apply("blur=1", stream).pixels != image.pixels);
    CHECK(std::abs(mean(apply("noise=.1", stream)) - mean(image)) < 4);
  }
  CHECK(thinner);
  CHECK(thicker);
  CHECK(lined);
  CHECK(erased);
  CHECK(*apply("invert=1", 0).at(0, 0) == 35);
}

TEST_CASE("keep_decoded: reads once, within its bytes") {
  const auto source = std::make_shared<NumbersDataset>(4);
  const auto kept = keep_decoded(source);
  for (int round = 0; round < 3; ++round)
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(kept->load(i, 1).image.pixels == source->load(i, 1).image.pixels);
  CHECK(source->loads == 4 + 12);
  CHECK(kept->load(0, 3).image.channels == 3);
  CHECK(keep_decoded(source, 0) == source);
  source->loads = 0;
  const auto tiny = keep_decoded(source, 10);
  tiny->load(0, 1);
  tiny->load(0, 1);
  CHECK(source->loads == 2);
}

TEST_CASE("frames that a label needs") {
  CHECK(frames_needed(std::vector<int>{}) == 0);
  CHECK(frames_needed(std::vector{1}) == 1);
  CHECK(frames_needed(std::vector{1, 1, 2, 2, 2}) == 8);
}

TEST_CASE("check_dataset: what cannot be used is counted, named and left out") {
  const DataFolder folder;
  for (const auto* name : {"1.png", "3.png", "4.png", "5.png"}) folder.write_image(name);
  folder.write("2.png", "this is no image");
  folder.write("labels.tsv", "1.png\t12\n2.png\t12\n3.png\t1x\n4.png\t1112\nnothing\n6.png\t1\n5.png\t123\n");
  const auto dataset = open_dataset(folder.path());
  const Preprocess preprocess{.height = 6};
  const auto rules = digits([](int width) { return width / 3; });  // images are 12 wide
  const auto report = check_dataset(*dataset, preprocess, rules);
  CHECK(report.samples == 6);
  CHECK(report.usable == std::vector<std::uint32_t>{0, 5});
  CHECK(report.widths == std::vector{12, 12});
  CHECK(report.longest_label == 3);
  CHECK(report.bad_lines == 1);
  CHECK(report.unreadable == 2);
  CHECK(report.outside_charset == 1);
  CHECK(report.too_long == 1);
  REQUIRE(report.problems.size() == 5);
  CHECK(report.problems[0].name == "labels.tsv:5");
  CHECK(report.problems[1].name == "2.png");
  CHECK(report.problems[2].why.find("'x' (U+0078)") != std::string::npos);
  CHECK(report.problems[3].why.find("needs 6 frames") != std::string::npos);
  CHECK(check_dataset(*dataset, preprocess, rules, {.threads = 1}).problems == report.problems);
  CHECK(fails_with([&] { check_dataset(*dataset, preprocess, rules, {.strict = true}); }, "labels.tsv:5"));

  const auto readable = check_dataset(*dataset, preprocess, std::nullopt);
  CHECK(readable.usable == std::vector<std::uint32_t>{0, 2, 3, 5});
  CHECK(readable.problems.size() == 3);
}

TEST_CASE("check_dataset: a label exactly as long as it can be; an empty one needs a frame") {
  std::string why;
  const auto rules = digits([](int width) { return width; });
  CHECK(check_label(rules, "1123", 5, why) == SampleFault::none);
  CHECK(check_label(rules, "1123", 4, why) == SampleFault::too_long);
  CHECK(check_label(rules, "", 1, why) == SampleFault::none);
  CHECK(check_label(rules, "", 0, why) == SampleFault::too_long);
}

TEST_CASE("a charset is every character of the texts, in the order of the code points") {
  const DataFolder folder;
  folder.write("list.txt", "1.png\tcab\n2.png\té1\n3.png\t\n4.png\taa\n");
  CHECK(collect_charset(*open_dataset(folder.path() + "/list.txt")).to_string() == "1abcé");
  CHECK(collect_charset(NumbersDataset(Dataset::kEndless)).to_string() == "0123456789");
}

TEST_CASE("batch order: every sample once an epoch, each epoch anew") {
  const BatchOrder order(10, {}, {.batch_size = 3, .seed = 4});
  CHECK(order.batches_per_epoch() == 3);
  const auto epoch = [&](std::size_t number) {
    std::vector<std::size_t> samples;
    for (std::size_t k = 0; k < 3; ++k)
      for (const auto sample : order.batch(number * 3 + k)) samples.push_back(sample);
    return samples;
  };
  const auto first = epoch(0);
  CHECK(std::set(first.begin(), first.end()).size() == 9);
  CHECK(*std::max_element(first.begin(), first.end()) < 10);
  CHECK(epoch(1) != first);
  CHECK(epoch(7) != first);
  CHECK(epoch(0) == first);
  CHECK(BatchOrder(10, {}, {.batch_size = 3, .seed = 5}).batch(0) != order.batch(0));
}

TEST_CASE("batch order: in order, and small or endless sets") {
  const BatchOrder once(7, {}, {.batch_size = 3, .training = false});
  CHECK(once.batches() == 3);
  CHECK(once.batch(0) == std::vector<std::size_t>{0, 1, 2});
  CHECK(once.batch(2) == std::vector<std::size_t>{6});
  CHECK(BatchOrder(2, {}, {.batch_size = 8}).batch(5).size() == 2);
  CHECK(BatchOrder(Dataset::kEndless, {}, {.batch_size = 2}).batch(5) == std::vector<std::size_t>{10, 11});
  CHECK_THROWS_AS(BatchOrder(0, {}, {}), Error);
  CHECK(fails_with([] { BatchOrder(std::size_t{1} << 32, {}, {}); }, "cannot be shuffled"));
  CHECK_THROWS_AS(BatchOrder(5, {}, {.batch_size = 0}), Error);
  CHECK(fails_with([] { BatchOrder(Dataset::kEndless, {}, {.training = false}); }, "endless"));
}

TEST_CASE("batch order: similar widths together, every sample still once") {
  std::vector<int> widths;
  for (int i = 0; i < 203; ++i) widths.push_back(20 + i * 37 % 101);
  const BatchOrderOptions options{.batch_size = 4, .seed = 3, .group_widths = true};
  const BatchOrder grouped(widths.size(), widths, options);
  const auto spread = [&](const BatchOrder& order) {
    int sum = 0;
    std::set<std::size_t> seen;
    for (std::size_t k = 0; k < order.batches_per_epoch(); ++k) {
      const auto batch = order.batch(k);
      const auto [low, high] = std::minmax_element(
          batch.begin(), batch.end(), [&](std::size_t a, std::size_t b) { return widths[a] < widths[b]; });
      sum += widths[*high] - widths[*low];
      seen.insert(batch.begin(), batch.end());
    }
    CHECK(seen.size() == 200);
    return sum;
  };
  const BatchOrder mixed(widths.size(), widths, {.batch_size = 4, .seed = 3});
  CHECK(spread(grouped) * 4 < spread(mixed));
  CHECK(BatchOrder(widths.size(), widths, options).batch(70) == grouped.batch(70));
}

TEST_CASE("loader: pixels, widths and labels lie where the batch says") {
  const auto dataset = std::make_shared<NumbersDataset>(12, std::vector{10, 16, 13});
  auto options = small_options(5, 2);
  options.order.training = false;
  options.augment = {};
  options.preprocess.normalise = Normalise::none;
  options.width_multiple = 8;
  options.min_label = 4;
  Loader loader(dataset, check(*dataset, options), options);
  std::size_t seen = 0;
  while (const auto batch = loader.next()) {
    CHECK(batch->height == 8);
    CHECK(batch->width == 16);
    CHECK(batch->max_label == 4);
    REQUIRE(batch->pixels.size() == static_cast<std::size_t>(batch->count) * 8 * 16);
    for (int i = 0; i < batch->count; ++i, ++seen) {
      const auto at = static_cast<std::size_t>(i);
      CHECK(batch->indices[at] == seen);
      CHECK(batch->texts[at] == std::to_string(seen));
      CHECK(batch->names[at] == dataset->name(seen));
      CHECK(batch->widths[at] == std::array{10, 16, 13}[seen % 3]);
      CHECK(batch->offsets[at] == 0);
      CHECK(batch->factors[at] == 1.0f / 255);
      CHECK(batch->label_lengths[at] == static_cast<int>(batch->texts[at].size()));
      for (int j = 0; j < 4; ++j) {
        const int cls =
            j < batch->label_lengths[at] ? batch->texts[at][static_cast<std::size_t>(j)] - '0' + 1 : 0;
        CHECK(batch->labels[at * 4 + static_cast<std::size_t>(j)] == cls);
      }
      const auto image = dataset->load(seen, 1).image;
      for (int y = 0; y < 8; ++y)
        for (int x = 0; x < 16; ++x) {
          const int expected = x < image.width ? *image.at(x, y) : 0;
          REQUIRE(batch->pixels[(at * 8 + static_cast<std::size_t>(y)) * 16 + static_cast<std::size_t>(x)] ==
                  expected);
        }
    }
  }
  CHECK(seen == 12);
  CHECK_FALSE(loader.next().has_value());
}

TEST_CASE("loader: the same batches with any number of threads, and from any start") {
  const auto dataset = std::make_shared<NumbersDataset>(23, std::vector{16, 24, 31});
  auto options = small_options(4, 1);
  options.order.group_widths = true;
  const auto report = check(*dataset, options);
  std::vector<Batch> batches;
  Loader alone(dataset, report, options);
  for (int k = 0; k < 14; ++k) batches.push_back(*alone.next());
  CHECK_FALSE(same(batches[0], batches[5]));

  options.threads = 4;
  options.ahead = 7;
  Loader many(dataset, report, options);
  for (const Batch& batch : batches) CHECK(same(batch, *many.next()));

  options.start = 9;
  Loader resumed(dataset, report, options);
  CHECK(resumed.position() == 9);
  for (std::size_t k = 9; k < batches.size(); ++k) CHECK(same(batches[k], *resumed.next()));
}

TEST_CASE("loader: a sample is augmented anew in every epoch") {
  const auto dataset = std::make_shared<NumbersDataset>(2);
  auto options = small_options(2, 1);
  Loader loader(dataset, check(*dataset, options), options);
  const auto a = *loader.next(), b = *loader.next();
  CHECK(a.pixels != b.pixels);
  CHECK(std::set(a.indices.begin(), a.indices.end()) == std::set(b.indices.begin(), b.indices.end()));
}

TEST_CASE("loader: an endless set goes on") {
  auto dataset = std::make_shared<NumbersDataset>(Dataset::kEndless);
  dataset->is_rendered = true;
  auto options = small_options(3, 2);
  options.start = 100;
  Loader loader(dataset, check(*dataset, options), options);
  CHECK(loader.next()->indices == std::vector<std::size_t>{300, 301, 302});
  CHECK(loader.next()->indices == std::vector<std::size_t>{303, 304, 305});
}

TEST_CASE("loader: what a worker throws comes out of next(), in its place") {
  auto dataset = std::make_shared<NumbersDataset>(10);
  auto options = small_options(2, 3);
  options.order.training = false;
  const auto report = check(*dataset, options);
  dataset->broken = 5;
  Loader loader(dataset, report, options);
  CHECK(loader.next()->count == 2);
  CHECK(loader.next()->count == 2);
  CHECK(fails_with([&] { loader.next(); }, "number 5: is broken"));
  CHECK(loader.next()->indices.front() == 6);
  CHECK(loader.next().has_value());
  CHECK_FALSE(loader.next().has_value());
}

TEST_CASE("loader: a rendered text that cannot be taught is an error by name") {
  auto dataset = std::make_shared<NumbersDataset>(Dataset::kEndless);
  dataset->is_rendered = true;
  auto options = small_options(1, 1);
  options.labels = LabelRules{Charset("01"), {}};
  Loader loader(dataset, check(*dataset, options), options);
  CHECK(loader.next()->texts.front() == "0");
  CHECK(loader.next()->texts.front() == "1");
  CHECK(fails_with([&] { loader.next(); }, "number 2: label \"2\""));
}

TEST_CASE("loader: without rules any text is let through") {
  const auto dataset = std::make_shared<NumbersDataset>(3);
  auto options = small_options(3, 1);
  options.labels.reset();
  Loader loader(dataset, check(*dataset, options), options);
  const auto batch = *loader.next();
  CHECK(batch.labels.empty());
  CHECK(batch.texts.size() == 3);
}

TEST_CASE("loader: can be ended at any moment") {
  const auto dataset = std::make_shared<NumbersDataset>(50);
  for (int taken = 0; taken < 12; ++taken) {
    auto options = small_options(2, 1 + taken % 4);
    options.ahead = 1 + taken % 3;
    Loader loader(dataset, check(*dataset, options), options);
    for (int i = 0; i < taken; ++i) loader.next();
  }
}

TEST_CASE("loader: options out of range") {
  const auto dataset = std::make_shared<NumbersDataset>(3);
  auto options = small_options(1, 1);
  const auto report = check(*dataset, options);
  options.width_multiple = 0;
  CHECK_THROWS_AS(Loader(dataset, report, options), Error);
  options.width_multiple = 1;
  options.ahead = 0;
  CHECK_THROWS_AS(Loader(dataset, report, options), Error);
  CHECK_THROWS_AS(Loader(dataset, DataReport{}, small_options(1, 1)), Error);
}
