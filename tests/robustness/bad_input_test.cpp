// What people give by mistake, and what others give on purpose: each has one line that names the thing and
// says what to do, and an exit status that is not 0.

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "models/image/image_io.h"
#include "models/image/stb.h"
#include "tests/robustness/faults.h"
#include "tests/robustness/material.h"

namespace tapeline {

namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

std::string as_string(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Image grey(int width, int height) {
  Image image(width, height, 1);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 37);
  return image;
}

std::string png(int width, int height) { return as_string(encode_png(grey(width, height))); }

/// A PNG whose header says another size; stb_image does not look at checksums.
std::string claiming(std::string png, std::uint32_t width, std::uint32_t height) {
  for (int i = 0; i < 4; ++i) {
    png[16 + i] = static_cast<char>(width >> (24 - 8 * i));
    png[20 + i] = static_cast<char>(height >> (24 - 8 * i));
  }
  return png;
}

std::string jpeg(int width, int height) {
  const Image image = grey(width, height);
  std::string bytes;
  const auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  stbi_write_jpg_to_func(append, &bytes, width, height, 1, image.pixels.data(), 90);
  return bytes;
}

/// A JPEG that goes over its picture again and again: each further scan is a copy of the first.
std::string jpeg_of_scans(int count) {
  const std::string once = jpeg(60, 20);
  const std::size_t scan = once.rfind("\xff\xda"), end = once.rfind("\xff\xd9");
  std::string scans;
  for (int i = 0; i < count; ++i) scans += once.substr(scan, end - scan);
  return once.substr(0, scan) + scans + once.substr(end);
}

std::string pgm(const std::string& header, std::size_t bytes) { return header + std::string(bytes, '\x40'); }

Ran recognize(const std::string& path) {
  return run_program({"recognize", material().model, path, "--threads", "1"});
}

}  // namespace

TEST_CASE("bad input: pictures") {
  const TemporaryFolder folder;
  struct Row {
    std::string name;
    std::string bytes;
    std::string words;  // "": it is read
  };
  const Row rows[] = {
      {"whole.png", png(60, 20), ""},
      {"truncated.png", png(60, 20).substr(0, png(60, 20).size() / 2), "damaged or cut short"},
      {"truncated.jpg", jpeg(60, 20).substr(0, jpeg(60, 20).size() / 2), "cut short"},
      {"whole.jpg", jpeg(60, 20), ""},
      {"empty.png", "", "the file is empty"},
      {"zero.png", claiming(png(4, 4), 0, 0), "it says 0 x 0 pixels"},
      {"narrow.png", png(1, 20), ""},
      {"low.png", png(300, 1), ""},
      {"wide.png", png(20'000, 20), ""},
      {"bomb.png", claiming(png(4, 4), 60'000, 60'000), "60000 x 60000 pixels are too many"},
      {"hollow.png", claiming(png(4, 4), 8'000, 8'000), "8000 x 8000 pixels out of"},
      {"side.png", claiming(png(4, 4), 70'000, 1), "70000 x 1 pixels are too many"},
      {"more.png", claiming(png(2000, 2000), 10, 10), "unpacks to more than its header says"},
      {"text.png", "hello, this is text", "not an image (PNG, JPEG, BMP, PGM and PPM are read)"},
      {"page.png", "<html>404 Not Found</html>", "not an image"},
      {"animated.gif", "GIF89a" + std::string(100, '\0'), "not an image"},
      {"x.tiff", "II*" + std::string(100, '\0'), "not an image"},
      {"grey.pgm", pgm("P5\n60 20\n255\n", 1200), ""},
      {"note.ppm", pgm("P6 # a note\n60 20 255\n", 3600), ""},
      {"deep.pgm", pgm("P5 60 20 65535\n", 2400), ""},
      {"short.pgm", pgm("P5 60 20 255\n", 1199), "cut short"},
      {"huge.pgm", pgm("P5 99999999 99999999 255\n", 100), "pixels are too many"},
      {"vast.pgm", pgm("P5 99999999999999999999 1 255\n", 100), "its header is damaged"},
      {"none.pgm", pgm("P5 0 20 255\n", 100), "it says 0 x 20"},
      {"text.pgm", "P5\nno numbers", "its header is damaged"},
      {"ascii.pgm", "P2 2 1 255 3 4", "not an image"},
      {"head.bmp", "BM" + std::string(20, '\0'), "its header is damaged"},
      {"zero.bmp", "BM" + std::string(200, '\0'), "it says 0 x 0"},
      {"scans.jpg", jpeg_of_scans(101), "more than 100 scans"},
      {"scans-100.jpg", jpeg_of_scans(100), ""},
      {"head.jpg", "\xff\xd8\xff\xe0", "its header is damaged"},
  };
  for (const Row& row : rows) {
    const std::string path = (folder / row.name).string();
    write_bytes(path, row.bytes);
    const Ran ran = recognize(path);
    CAPTURE(row.name);
    CAPTURE(ran.err);
    if (row.words.empty()) {
      CHECK(ran.status == 0);
      CHECK(ran.out.starts_with(path + "\t"));
      continue;
    }
    CHECK(ran.status == 1);
    CHECK(ran.err.starts_with("tapeline: cannot read " + path + ": "));
    CHECK(has(ran.err, row.words));
    CHECK(ran.out.empty());
  }
}

TEST_CASE("bad input: what is no file of pictures at all") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "folder.png");
  fs::create_symlink("nowhere", folder / "dangling.png");
  fs::create_symlink("loop.png", folder / "loop.png");
  REQUIRE(::mkfifo((folder / "pipe.png").c_str(), 0600) == 0);
  write_bytes((folder / "denied.png").string(), png(60, 20));
  fs::permissions(folder / "denied.png", fs::perms::none);
  struct Row {
    std::string path;
    std::string words;
  };
  std::vector<Row> rows{{(folder / "folder.png").string(), "no images"},
                        {(folder / "dangling.png").string(), "no such file"},
                        {(folder / "loop.png").string(), "Too many levels of symbolic links"},
                        {(folder / "pipe.png").string(), "a pipe or a device, not a file"},
                        {"/dev/zero", "a pipe or a device, not a file"},
                        {"/dev/null", "a pipe or a device, not a file"},
                        {(folder / "missing.png").string(), "no such file"}};
  if (::geteuid() != 0) rows.push_back({(folder / "denied.png").string(), "Permission denied"});
  for (const Row& row : rows) {
    const Ran ran = recognize(row.path);
    CAPTURE(row.path);
    CAPTURE(ran.err);
    CHECK(ran.status == 1);
    CHECK(has(ran.err, row.path));
    CHECK(has(ran.err, row.words));
  }
}

TEST_CASE("bad input: lists and labels are counted and named, and the rest is used") {
  const TemporaryFolder folder;
  for (const char* name : {"a.png", "b.png", "c.png", "d.png"})
    write_bytes((folder / name).string(), png(60, 20));
  const std::string good = "a.png\t1\nb.png\t2\n";
  std::string endless;
  for (int i = 0; i < 100'001; ++i) endless += "x\n";
  struct Row {
    std::string name;
    std::string list;
    std::string words;
    bool stops = false;
  };
  const Row rows[] = {
      {"missing", good + "none.png\t3\n", "none.png: there is no such file"},
      {"windows",
       "\xEF\xBB\xBF"
       "a.png\t1\r\nb.png\t2\r\n",
       ""},
      {"no text", good + "c.png\n", "expected `path<TAB>text`"},
      {"not UTF-8", good + "c.png\t\xff\xfe\n", "not valid UTF-8"},
      {"control", good + std::string("c.png\ta\0b\n", 10), "control character U+0000"},
      {"combining", good + "c.png\te\xCC\x81\n", ""},
      {"too long", good + "c.png\t11111111111111111111\n", "needs 39 frames"},
      {"a device", good + "/dev/zero\t3\n", "/dev/zero"},
      {"not a picture", good + "list.txt\t3\n", "not an image"},
      {"empty", "", "the list is empty", true},
      {"all missing", "x.png\t1\ny.png\t2\n", "none of the 2 samples can be used: 2 that cannot be read",
       true},
      {"no list at all", endless, "100000 lines before it are wrong too", true},
      {"all bad", "x\ny\n", "expected `path<TAB>text`", true},
  };
  for (const Row& row : rows) {
    const std::string list = (folder / "list.txt").string(), output = (folder / "run").string();
    write_bytes(list, row.list);
    fs::remove_all(output);
    const Words train{
        "train",   "--network", kTiny,     "--data", list,        "--validate", "synth:expressions?count=2",
        "--batch", "2",         "--steps", "1",      "--threads", "1",          "--output",
        output};
    const Ran ran = run_program(train);
    CAPTURE(row.name);
    CAPTURE(ran.err);
    CHECK(ran.status == (row.stops ? 1 : 0));
    CHECK(has(ran.err, row.words));
    if (row.stops || row.words.empty()) continue;
    CHECK(has(ran.err, "1 samples were left out"));
    fs::remove_all(output);
    const Ran strict = run_program(train + Words{"--strict"});
    CHECK(strict.status == 1);
    CHECK(has(strict.err, row.words));
    CHECK(!fs::exists(output + "/last.safetensors"));
  }
}

TEST_CASE("bad input: a data set names nothing outside of its folder") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "set");
  write_bytes((folder / "out.png").string(), png(60, 20));
  write_bytes((folder / "set/in.png").string(), png(60, 20));
  write_bytes((folder / "set/labels.tsv").string(),
              "in.png\t1\n../out.png\t2\n/etc/passwd\t3\na/../../out.png\t4\n");
  const Ran ran = run_program(
      {"evaluate", material().model, "--data", (folder / "set").string(), "--json", "--threads", "1"});
  CAPTURE(ran.err);
  REQUIRE(ran.status == 0);
  const nlohmann::json told = nlohmann::json::parse(ran.out);
  CHECK(told["images"] == 1);
  REQUIRE(told["problems"].size() == 3);
  for (const nlohmann::json& problem : told["problems"])
    CHECK(has(problem["why"].get<std::string>(), "leads out of its folder"));
}

TEST_CASE("bad input: data, networks, folders and options") {
  const TemporaryFolder folder;
  const std::string file = (folder / "file").string(), run = (folder / "run").string();
  write_bytes(file, "x");
  fs::create_directory(folder / "empty");
  const Words train{"train", "--steps", "1", "--threads", "1"};
  const Words tiny{"--network", kTiny}, data{"--data", material().data}, output{"--output", run};
  const auto network = [&](const std::string& text) {
    return train + Words{"--network", text} + data + output;
  };
  struct Row {
    Words command;
    std::string words;
    int status = 1;
  };
  const Row rows[] = {
      {train + tiny + output + Words{"--data", (folder / "empty").string()}, "no images"},
      {train + tiny + output + Words{"--data", "/dev/zero"}, "/dev/zero: is not a file"},
      {train + tiny + output + Words{"--data", "nowhere"}, "there is no such file or folder"},
      {train + tiny + output + Words{"--data", "synth:expresions"}, "expresions"},
      {train + tiny + output + Words{"--data", material().data + "#9:3"}, "#9:3"},
      {train + tiny + output + data + Words{"--charset", "xyz"}, "characters outside the charset"},
      {train + tiny + data + Words{"--output", file}, "is a file; give another --output"},
      {train + tiny + data + Words{"--output", file + "/x"}, "give another --output"},
      {train + tiny + data + Words{"--output", "/proc/x"}, "cannot make the folder /proc/x"},
      {network("[1,20,60,1 Lfx1000000000 O1c]"), "units between 1 and 65536"},
      {network("[1,4096,60,1 Cl255,255,65536 O1c]"), "more than 2^31 parameters"},
      {network("[1,20,60,1 Cl3,3,4"), "expected"},
      {network(std::string(70'000, '[')), "65536"},
      {network("[1,20,60,1 O1c]"), "fold the height"},
      {train + tiny + data + output + Words{"--lr", "nan"}, "nan is not in", 2},
      {train + tiny + data + output + Words{"--lr", "1e7"}, "is not in", 2},
      {train + tiny + data + output + Words{"--batch", "0"}, "is not in", 2},
      {train + tiny + data + output + Words{"--bacth", "3"}, "did you mean --batch?", 2},
      {train + tiny + data + output + Words{"--minutes", "3"}, "give one of --steps, --epochs and --minutes"},
      {train + Words{"--resume", "--output", run},
       "last.safetensors to go on from; `tapeline train` without --resume"},
      {{"train", "--resume", "--output", material().run, "--network", "[1,20,60,1 O1c]", "--steps", "9"},
       "a training goes on as it began"},
      {{"train", "--resume", "--output", material().run, "--data", material().data, "--steps", "9"},
       "a training goes on as it began"},
      {{"train", "--resume", "--output", material().run, "--charset", "abc", "--steps", "9"},
       "a training goes on as it began"},
      {train_command(material().run, 9), "holds a training already"},
      {{"synth", "expressions", "--output", file}, "is a file; give another --output"},
      {{"synth", "expressions", "--output", material().data}, "is not empty"},
      {{"synth", "expressions", "--output", run, "--count", "0"}, "is not in", 2},
      {{"recognize", material().data, material().picture}, "Is a directory"},
      {{"recognize", material().model, material().picture, "--max-pixels", "100"}, "pixels are too many"},
      {{"recognize", "/dev/zero", material().picture}, "/dev/zero"},
      {{"recognize", (folder / "none").string(), material().picture}, "No such file"},
      {{"evaluate", material().model, "--data", "synth:expressions"}, "no end"},
  };
  const std::string before = file_bytes(material().run + "/last.safetensors");
  for (const Row& row : rows) {
    const Ran ran = run_program(row.command);
    CAPTURE(row.words);
    CAPTURE(ran.err);
    CHECK(ran.status == row.status);
    CHECK(has(ran.err, row.words));
    CHECK(has(ran.err, "tapeline: "));
    CHECK(!fs::exists(run + "/last.safetensors"));
  }
  CHECK(file_bytes(material().run + "/last.safetensors") == before);
}

}  // namespace tapeline
