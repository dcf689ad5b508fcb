#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <span>
#include <string>

#include "engine/error.h"
#include "engine/random.h"
#include "models/image/chart.h"
#include "models/image/contact_sheet.h"
#include "models/image/image_io.h"
#include "models/image/resize.h"
#include "models/image/stb.h"
#include "models/image/text.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

using namespace tapeline;
namespace fs = std::filesystem;

namespace {

Image noise(int width, int height, int channels) {
  Random random(3);
  Image image(width, height, channels);
  for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(random.below(256));
  return image;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* start = reinterpret_cast<const std::byte*>(text.data());
  return {start, start + text.size()};
}

std::vector<std::byte> bytes_of_hex(std::string_view digits) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    bytes.push_back(std::byte(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  return bytes;
}

void append(void* context, void* data, int size) {
  const auto* start = static_cast<const std::byte*>(data);
  auto& out = *static_cast<std::vector<std::byte>*>(context);
  out.insert(out.end(), start, start + size);
}

std::vector<std::byte> encode_with_alpha(const std::vector<std::uint8_t>& rgba, int width, int height) {
  std::vector<std::byte> bytes;
  stbi_write_png_to_func(append, &bytes, width, height, 4, rgba.data(), width * 4);
  return bytes;
}

std::vector<std::byte> encode_jpeg(const Image& image) {
  std::vector<std::byte> bytes;
  stbi_write_jpg_to_func(append, &bytes, image.width, image.height, image.channels, image.pixels.data(), 95);
  return bytes;
}

std::vector<std::byte> encode_bmp(const Image& image) {
  std::vector<std::byte> bytes;
  stbi_write_bmp_to_func(append, &bytes, image.width, image.height, image.channels, image.pixels.data());
  return bytes;
}

double mean(const Image& image) {
  double sum = 0;
  for (const std::uint8_t value : image.pixels) sum += value;
  return sum / static_cast<double>(image.pixels.size());
}

int count_pixels(const Image& image, Colour colour) {
  int count = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    count += image.pixels[i] == colour.red && image.pixels[i + 1] == colour.green &&
             image.pixels[i + 2] == colour.blue;
  return count;
}

}  // namespace

TEST_CASE("a PNG comes back as it was") {
  const TemporaryFolder folder;
  for (const int channels : {1, 3})
    for (const int width : {1, 2, 37}) {
      const Image image = noise(width, 23, channels);
      write_png(folder / "a.png", image);
      const Image back = read_image(folder / "a.png");
      CHECK(back.width == width);
      CHECK(back.height == 23);
      CHECK(back.channels == channels);
      CHECK(back.pixels == image.pixels);
    }
  // Nothing but the file itself is left.
  CHECK(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("JPEG and BMP are read") {
  Image image(24, 16, 3);
  fill_rectangle(image, 0, 0, 12, 16, {200, 40, 90});
  const Image bmp = decode_image(encode_bmp(image), "a.bmp");
  CHECK(bmp.pixels == image.pixels);
  const Image jpeg = decode_image(encode_jpeg(image), "a.jpg");
  REQUIRE(jpeg.pixels.size() == image.pixels.size());
  CHECK(std::abs(jpeg.at(3, 8)[0] - 200) < 8);
  CHECK(std::abs(jpeg.at(20, 8)[1] - 255) < 8);
}

TEST_CASE("JPEG in four inks, and in several scans") {
  // 16 x 8 pixels, the left half of one colour, the right of another; by another program, Adobe's inks
  // inverted.
  const Image inks = decode_image(
      bytes_of_hex(
          "ffd8ffee000e41646f626500640000000000ffdb0043000302020302020303030304030304050805050404050a070706"
          "080c0a0c0c0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffc000140800080010"
          "044311004d11005911004b1100ffc40017000101010100000000000000000000000009070008ffc40014100100000000"
          "000000000000000000000000ffda000e0443004d0059004b00003f0037d557251533c02fd5067fffd9"),
      "inks.jpg");
  REQUIRE(inks.channels == 3);
  const int left[] = {20, 160, 60}, right[] = {200, 40, 90};
  for (int c = 0; c < 3; ++c) {
    CHECK(std::abs(inks.at(2, 2)[c] - left[c]) < 4);
    CHECK(std::abs(inks.at(12, 2)[c] - right[c]) < 4);
  }
  const Image progressive = decode_image(
      bytes_of_hex(
          "ffd8ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c0c0b0a0b0b0d0e12100d0e11"
          "0e0b0b1016101113141515150c0f171816141812141514ffc2000b080008001001011100ffc400150001010000000000"
          "0000000000000000000708ffda000801010000000109b5bfffc40014100100000000000000000000000000000010ffda"
          "00080101000105023fffc40014100100000000000000000000000000000010ffda0008010100063f023fffc400141001"
          "00000000000000000000000000000010ffda0008010100013f213fffda0008010100000010bfffc40014100100000000"
          "000000000000000000000010ffda0008010100013f103fffd9"),
      "scans.jpg");
  REQUIRE(progressive.channels == 1);
  CHECK(std::abs(progressive.at(2, 2)[0] - 40) < 4);
  CHECK(std::abs(progressive.at(12, 2)[0] - 200) < 4);
}

TEST_CASE("the memory that a picture may take counts a JPEG's blocks whole") {
  const auto memory = [](int width, int height) {  // of a grey JPEG in several scans
    const std::string header = fmt::format("ffd8ffc2000b08{:04x}{:04x}01011100ffd9", height, width);
    const auto bytes = bytes_of_hex(header);
    return decoding_memory(bytes) / 4 - static_cast<std::int64_t>(bytes.size());
  };
  CHECK(memory(60, 20) == 16 << 20);
  CHECK(memory(258, 64'490) == 288 * 64'512);  // takes 67.8 MB, more than 4 bytes for each of its pixels
  CHECK(memory(8192, 8192) == 8192 * 8192);
  CHECK(memory(8191, 8193) == 8192 * 8224);
  CHECK(memory(65'535, 65'535) == 64 << 20);  // refused
  CHECK(decoding_memory(encode_png(Image(4097, 4097, 1))) > 4 * 4097 * 4097);
}

TEST_CASE("of an animated PNG the first picture is read") {
  const Image image = noise(7, 5, 1);
  std::vector<std::byte> png = encode_png(image);
  const auto chunk = [](std::string_view type, std::size_t size) {
    std::vector<std::byte> bytes(12 + size);
    bytes[3] = static_cast<std::byte>(size);
    std::transform(type.begin(), type.end(), bytes.begin() + 4, [](char c) { return std::byte(c); });
    return bytes;
  };
  const auto insert = [&](std::size_t at, const std::vector<std::byte>& bytes) {
    png.insert(png.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin(), bytes.end());
  };
  constexpr std::size_t kAfterHeader = 33, kEnd = 12;
  insert(png.size() - kEnd, chunk("fdAT", 40));
  insert(kAfterHeader, chunk("fcTL", 26));
  insert(kAfterHeader, chunk("acTL", 8));
  CHECK(decode_image(png, "animated.png").pixels == image.pixels);
}

TEST_CASE("channels: luma, equal channels, alpha over white") {
  Image image(1, 1, 3);
  const std::uint8_t rgb[] = {255, 128, 10};
  std::copy_n(rgb, 3, image.pixels.begin());
  CHECK(convert(image, 1).pixels[0] == std::lround(0.299 * 255 + 0.587 * 128 + 0.114 * 10));
  CHECK(convert(Image(1, 1, 1, 77), 3).pixels == std::vector<std::uint8_t>{77, 77, 77});
  CHECK(convert(Image(1, 1, 3, 255), 1).pixels[0] == 255);
  CHECK_THROWS_AS(convert(image, 2), Error);

  const auto bytes = encode_with_alpha({100, 0, 200, 255, 100, 0, 200, 0, 100, 0, 200, 128}, 3, 1);
  const Image flat = decode_image(bytes, "alpha.png");
  REQUIRE(flat.channels == 3);
  CHECK(flat.at(0, 0)[0] == 100);
  CHECK(flat.at(1, 0)[0] == 255);
  CHECK(flat.at(2, 0)[0] == std::lround((100 * 128 + 255 * 127) / 255.0));
  CHECK(flat.at(2, 0)[2] == std::lround((200 * 128 + 255 * 127) / 255.0));
  CHECK(decode_image(bytes, "alpha.png", 1).channels == 1);
  CHECK_THROWS_AS(decode_image(bytes, "alpha.png", 4), Error);
}

TEST_CASE("sixteen bits are reduced to eight") {
  // 2 x 1 grey, 16 bits: 0x8012 and 0xFF00, written by hand (one stored deflate block).
  const unsigned char png[] = {
      0x89, 'P', 'N', 'G',  '\r', '\n', 0x1a, '\n', 0,    0,    0,   13,   'I',  'H',  'D',  'R', 0, 0,  0,
      2,    0,   0,   0,    1,    16,   0,    0,    0,    0,    0,   0,    0,    0,    0,    0,   0, 16, 'I',
      'D',  'A', 'T', 0x78, 0x01, 0x01, 5,    0,    0xfa, 0xff, 0,   0x80, 0x12, 0xff, 0x00, 0,   0, 0,  0,
      0,    0,   0,   0,    0,    0,    0,    0,    'I',  'E',  'N', 'D',  0xae, 0x42, 0x60, 0x82};
  const Image image = decode_image(std::as_bytes(std::span(png)), "deep.png");
  REQUIRE(image.pixels.size() == 2);
  CHECK(image.pixels[0] == 0x80);
  CHECK(image.pixels[1] == 0xff);
}

TEST_CASE("errors name the file and the trouble") {
  const TemporaryFolder folder;
  const auto message = [](const fs::path& path) { return error_of([&] { read_image(path); }); };
  CHECK(has(message(folder / "none.png"), "none.png: no such file"));
  CHECK(has(message(folder.path()), "a folder"));

  std::ofstream(folder / "empty.png");
  CHECK(has(message(folder / "empty.png"), "empty.png: the file is empty"));
  std::ofstream(folder / "x.png") << "hello, I am text";
  CHECK(has(message(folder / "x.png"), "x.png: not an image (PNG, JPEG, BMP, PGM and PPM are read)"));

  CHECK(has(error_of([&] { write_png(folder / "no" / "such" / "a.png", Image(2, 2, 1)); }),
            "a.png: cannot be created"));
  CHECK_THROWS_AS(write_png(folder / "a.png", Image()), Error);
  CHECK_THROWS_AS(encode_png(Image(2, 2, 2)), Error);
}

TEST_CASE("a header that claims too much is refused before it is believed") {
  auto bytes = encode_png(Image(4, 4, 3));
  const auto set = [&](std::size_t offset, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes[offset + i] = static_cast<std::byte>(value >> (24 - 8 * i));
  };
  set(16, 20'000);
  set(20, 10'000);
  CHECK(
      has(error_of([&] { decode_image(bytes, "huge.png"); }), "huge.png: 20000 x 10000 pixels are too many"));
  set(16, 60'000);
  set(20, 60'000);
  CHECK(
      has(error_of([&] { decode_image(bytes, "vast.png"); }), "vast.png: 60000 x 60000 pixels are too many"));
  set(16, 70'000);
  set(20, 1);
  CHECK(has(error_of([&] { decode_image(bytes, "wide.png"); }), "wide.png"));
  set(16, 0);
  CHECK(has(error_of([&] { decode_image(bytes, "zero.png"); }), "zero.png"));
}

TEST_CASE("files cut short are errors at every length") {
  const Image image = noise(19, 13, 3);
  for (const auto& bytes : {encode_png(image), encode_jpeg(image), encode_bmp(image)}) {
    CHECK_NOTHROW(decode_image(bytes, "whole"));
    // A PNG may lack the checksum of its last chunk, which carries nothing.
    for (std::size_t length = 0; length + 4 < bytes.size(); length += length < 80 ? 1 : 7)
      CHECK_MESSAGE(has(error_of([&] {
                          decode_image({bytes.data(), length}, "cut");
                        }),
                        "cannot read cut"),
                    "length " << length << " of " << bytes.size());
  }
}

TEST_CASE("damaged and random bytes never do worse than throw") {
  Random random(11);
  const Image image = noise(17, 9, 3);
  int refused = 0;
  for (const auto& whole : {encode_png(image), encode_jpeg(image), encode_bmp(image)})
    for (int round = 0; round < 300; ++round) {
      auto bytes = whole;
      for (int i = 0; i < 4; ++i)
        bytes[random.below(static_cast<std::uint32_t>(bytes.size()))] =
            static_cast<std::byte>(random.below(256));
      refused += !error_of([&] { decode_image(bytes, "damaged", 1); }).empty();
    }
  CHECK(refused > 100);
  for (const std::string_view magic : {"", "\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "BM"})
    for (int round = 0; round < 100; ++round) {
      auto bytes = bytes_of(magic);
      for (int i = 0; i < 200; ++i) bytes.push_back(static_cast<std::byte>(random.below(256)));
      CHECK(has(error_of([&] { decode_image(bytes, "random"); }), "cannot read random"));
    }
}

TEST_CASE("resize averages exactly where it shrinks") {
  Image image(4, 2, 1);
  image.pixels = {0, 10, 20, 30, 40, 50, 60, 70};
  CHECK(resize(image, 2, 1).pixels == std::vector<std::uint8_t>{25, 45});
  // 3 to 2: each new pixel covers one and a half old ones.
  Image row(3, 1, 1);
  row.pixels = {30, 60, 90};
  CHECK(resize(row, 2, 1).pixels == std::vector<std::uint8_t>{40, 80});
  const Image large = noise(180, 60, 3);
  CHECK(std::abs(mean(resize(large, 90, 30)) - mean(large)) < 0.2);  // halves are rounded up
  CHECK(std::abs(mean(resize(large, 77, 13)) - mean(large)) < 0.2);
  CHECK(resize(large, 180, 60).pixels == large.pixels);
}

TEST_CASE("resize interpolates where it grows") {
  Image row(2, 1, 1);
  row.pixels = {0, 100};
  CHECK(resize(row, 4, 1).pixels == std::vector<std::uint8_t>{0, 25, 75, 100});
  CHECK(resize(row, 4, 3).pixels ==
        std::vector<std::uint8_t>{0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100});
  const Image one = resize(Image(1, 1, 3, 9), 5, 4);
  CHECK(std::all_of(one.pixels.begin(), one.pixels.end(), [](int v) { return v == 9; }));
  // One axis each way.
  Image column(1, 4, 1);
  column.pixels = {0, 20, 40, 60};
  CHECK(resize(column, 2, 2).pixels == std::vector<std::uint8_t>{10, 10, 50, 50});
  CHECK_THROWS_AS(resize(row, 0, 3), Error);
  CHECK_THROWS_AS(resize(Image(), 3, 3), Error);
}

TEST_CASE("a polygon covers its exact area, also outside the mask") {
  const auto area = [](std::vector<Point> outline) {
    Mask mask(12, 10);
    fill(mask, outline);
    double sum = 0;
    for (const float value : mask.coverage) sum += value;
    return sum;
  };
  CHECK(area({{1, 1}, {4, 1}, {4, 3}, {1, 3}}) == doctest::Approx(6));
  CHECK(area({{1.25f, 1.5f}, {4.5f, 1.5f}, {4.5f, 3.75f}, {1.25f, 3.75f}}) == doctest::Approx(3.25 * 2.25));
  CHECK(area({{1, 1}, {9, 2}, {3, 8}}) == doctest::Approx(0.5 * (8 * 7 - 1 * 2)));
  CHECK(area({{1, 1}, {3, 8}, {9, 2}}) == doctest::Approx(0.5 * (8 * 7 - 1 * 2)));
  CHECK(area({{-5, -5}, {50, -5}, {50, 50}, {-5, 50}}) == doctest::Approx(120));
  CHECK(area({{6, -5}, {50, -5}, {50, 50}, {6, 50}}) == doctest::Approx(60));
  CHECK(area({{-9, 2}, {-2, 2}, {-2, 5}}) == doctest::Approx(0));
}

TEST_CASE("a stroke is a capsule") {
  Mask mask(40, 20);
  const PenPoint points[] = {{10, 10, 4}, {30, 10, 4}};
  stroke(mask, points);
  double sum = 0;
  for (const float value : mask.coverage) sum += value;
  CHECK(sum == doctest::Approx(20 * 8 + 3.14159 * 16).epsilon(0.01));
  CHECK(mask.at(20, 10) == 1);
  CHECK(mask.at(20, 2) == 0);
  CHECK(mask.at(5, 10) == 0);

  Mask dot(9, 9);
  const PenPoint point{4.5f, 4.5f, 2};
  stroke(dot, {&point, 1});
  CHECK(dot.at(4, 4) == 1);
  CHECK(dot.at(4, 1) == 0);
}

TEST_CASE("paths") {
  const auto lines = parse_path("M0 0L10 -5.5Z M3,4Q5 6 7 4C7 0 1 0 1 4", 4);
  REQUIRE(lines.size() == 2);
  REQUIRE(lines[0].size() == 3);
  CHECK(lines[0][1].y == -5.5f);
  CHECK(lines[0][2].x == 0);
  REQUIRE(lines[1].size() == 9);
  CHECK(lines[1][2].x == 5);
  CHECK(lines[1][2].y == 5);
  CHECK(lines[1][6].y == 1);
  CHECK(parse_path("M1 2").at(0).size() == 1);
  for (const std::string_view bad : {"L1 2", "M1", "M1 2X", "M1 2L", "M1 2Q3 4", "M. .", "M123456789 1"})
    CHECK(has(error_of([&] { parse_path(bad); }), bad));
}

TEST_CASE("text: every letter has a shape, no byte breaks it") {
  for (int c = 33; c < 127; ++c) {
    Image image(40, 40, 1);
    draw_text(image, 8, 28, std::string(1, static_cast<char>(c)), 14, {});
    CHECK_MESSAGE(mean(image) < 255, "character " << c);
  }
  CHECK(text_width("MM", 14) == 2 * text_width("M", 14));
  CHECK(text_width("M", 28) == 2 * text_width("M", 14));
  // Two characters of more than one byte are two boxes.
  CHECK(text_width("\xc3\xa9\xe2\x82\xac", 14) == 2 * text_width("\x01", 14));

  Random random(1);
  std::string bytes;
  for (int i = 0; i < 500; ++i) bytes += static_cast<char>(random.below(256));
  Image image(60, 20, 3);
  draw_text(image, -30, 5, bytes, 20, {});
  draw_text(image, 5000, 5000, bytes, 20, {});
  draw_text(image, 0, 0, std::string(1'000'000, 'M'), 300, {});
  CHECK(mean(image) < 255);

  CHECK(shorten_text("short", 10, 500) == "short");
  const std::string cut = shorten_text("a text that is far too long", 10, 100);
  CHECK(cut.ends_with("..."));
  CHECK(text_width(cut, 10) <= 100);
}

TEST_CASE("a contact sheet shows each picture and its mark") {
  std::vector<ContactCell> cells;
  for (int i = 0; i < 5; ++i) cells.push_back({Image(180, 60, i % 2 ? 1 : 3, 100), "12+3", i != 2});
  cells[1].image = Image(1, 400, 3, 100);
  cells[3].image = Image();
  const Image sheet = contact_sheet(cells, 3);
  CHECK(sheet.channels == 3);
  CHECK(sheet.width > 3 * 200);
  const int good = count_pixels(sheet, {34, 160, 94}), bad = count_pixels(sheet, {214, 51, 56});
  CHECK(good > 3 * bad);
  CHECK(bad > 500);
  CHECK(count_pixels(sheet, {100, 100, 100}) > 3 * 200 * 60);
  CHECK_THROWS_AS(contact_sheet({}, 3), Error);
  CHECK_THROWS_AS(contact_sheet(cells, 0), Error);
}

TEST_CASE("the page of a contact sheet escapes its text and holds its pictures") {
  const TemporaryFolder folder;
  const Image image = noise(5, 4, 3);
  write_contact_sheet_html(folder / "a.html", "<T>", "a & b",
                           {{image, "<script>\"1<2\"", false}, {image, "ok", true}});
  std::ifstream file(folder / "a.html");
  const std::string page((std::istreambuf_iterator<char>(file)), {});
  CHECK(has(page, "<title>&lt;T&gt;</title>"));
  CHECK(has(page, "a &amp; b"));
  CHECK(has(page, "&lt;script&gt;&quot;1&lt;2&quot;"));
  CHECK(!has(page, "<script>"));
  CHECK(has(page, "<figure class=\"bad\">"));
  CHECK(has(page, "src=\"data:image/png;base64,iVBORw0KGgo"));  // what every PNG begins with
  CHECK(!has(page, "http"));
}

TEST_CASE("a chart draws its curves where they belong, whatever the numbers") {
  const Colour blue{37, 99, 235};
  Panel accuracy{"Accuracy", {{"a", {{0, 1.0}, {50, 1.0}, {100, 1.0}}}}, false, true};
  const Image high = line_chart({accuracy}, "steps", 400, 300);
  for (auto& [x, y] : accuracy.series[0].points) y = 0;
  const Image low = line_chart({accuracy}, "steps", 400, 300);
  const auto mean_row = [&](const Image& image) {
    double sum = 0, count = 0;
    for (int y = 30; y < image.height; ++y)
      for (int x = 64; x < image.width; ++x)
        if (std::abs(image.at(x, y)[0] - blue.red) < 40 && std::abs(image.at(x, y)[2] - blue.blue) < 20)
          sum += y, ++count;
    REQUIRE(count > 100);
    return sum / count;
  };
  CHECK(mean_row(high) < 50);
  CHECK(mean_row(low) > 240);

  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  for (const bool log_y : {false, true}) {
    const Panel odd{
        "Odd",
        {{"a", {{1, nan}, {2, infinity}, {3, -1}, {4, 0}, {5, 1e300}, {nan, 1}}}, {"b", {}}, {"c", {{1, 5}}}},
        log_y};
    const Image image = line_chart({odd, Panel{}}, "steps");
    CHECK(image.width == 900);
    CHECK(mean(image) < 255);
  }
  CHECK_THROWS_AS(line_chart({}, "steps"), Error);
  CHECK_THROWS_AS(line_chart({Panel{}}, "steps", 10, 10), Error);
}
