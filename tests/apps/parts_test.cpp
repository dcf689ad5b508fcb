// The parts of the program that need no running.

#include <doctest/doctest.h>

#include "apps/data_choice.h"
#include "apps/reading_format.h"
#include "apps/table.h"
#include "apps/terminal.h"

namespace tapeline {

TEST_CASE("a choice of data survives being written down") {
  const auto round_trip = [](const DataChoice& choice) {
    const DataChoice back = DataChoice::parse(choice.text());
    CHECK(back.data == choice.data);
    CHECK(back.split == choice.split);
    CHECK(back.limit == choice.limit);
    if (!choice.split.empty()) CHECK(back.part == choice.part);
    CHECK(back.text() == choice.text());
  };
  round_trip({"photos", "", Part::training, 0});
  round_trip({"photos", "0.8:0.2", Part::training, 600});
  round_trip({"photos", "4:1", Part::validation, 0});
  round_trip({"odd | name#-400:", "", Part::training, 3});
  CHECK(DataChoice{"photos", "4:1", Part::validation, 9}.text() == "photos | validation of 4:1 | first 9");
}

TEST_CASE("messages do nothing to a terminal") {
  CHECK(printable("cannot read père/été 日本.png: \"a\\b\"") == "cannot read père/été 日本.png: \"a\\b\"");
  CHECK(printable("\x1b[31mred\nx\ty\x7f") == "\\x1b[31mred\\nx\ty\\x7f");
  CHECK(printable("a\xff\xc3 \xe2\x82") == "a\\xff\\xc3 \\xe2\\x82");
  CHECK(printable("\xc2\x9b") == "\\x9b");                  // CSI in one character
  CHECK(printable("\xe2\x80\xaegnp.a") == "\\u202egnp.a");  // from right to left

  CHECK(printable(std::string(2000, 'x')) == std::string(2000, 'x'));
  CHECK(printable(std::string(1'000'000, 'x')) ==
        std::string(1500, 'x') + " ... (998000 bytes left out) ... " + std::string(500, 'x'));
  std::string wide;
  for (int i = 0; i < 1000; ++i) wide += "é€";
  const std::string shortened = printable(wide);
  CHECK(shortened.find("\\x") == shortened.npos);
  CHECK(shortened.size() < 2100);
  CHECK(printable(std::string(5000, '\x80')).find(" bytes left out) ... \\x80") != std::string::npos);
}

TEST_CASE("what is validated on by default") {
  const auto validation = [](std::string data) {
    DataChoice training{std::move(data), "", Part::training, 0};
    const std::string text = default_validation(training).text();
    return text + " // " + training.text();
  };
  CHECK(validation("synth:expressions") == "synth:expressions?seed=1000001&count=1000 // synth:expressions");
  CHECK(validation("synth:expressions?operators=3&seed=7&count=50") ==
        "synth:expressions?seed=1000007&operators=3&count=1000 // "
        "synth:expressions?operators=3&seed=7&count=50");
  CHECK(validation("photos.tar") == "photos.tar | validation of 0.9:0.1 // photos.tar | training of 0.9:0.1");
}

TEST_CASE("values of expressions, and of what is none") {
  ReadingFormat tsv("tsv", true), csv("csv", true), json("json", true);
  const Reading sum{"3-7*2", 0.5, {}}, none{"3--", 1, {}};
  CHECK(tsv.line("a", sum) == "a\t3-7*2\t0.5000\t-11\n");
  CHECK(tsv.line("a", none) == "a\t3--\t1.0000\t\n");
  CHECK(tsv.line("a\tb\\\n\x1b[1m\x7f\xFF", none) == "a\\tb\\\\\\n\\x1b[1m\\x7f\xFF\t3--\t1.0000\t\n");
  CHECK(csv.begin() == "path,text,confidence,value\n");
  CHECK(csv.line("a,b", none) == "\"a,b\",3--,1.0000,\n");
  std::string array = json.begin();
  array += json.line("a\xFF", sum);
  array += json.line("b", none);
  array += json.end();
  CHECK(array ==
        "[\n{\"path\":\"a\xEF\xBF\xBD\",\"text\":\"3-7*2\",\"confidence\":0.5,\"characters\":[],\"value\":-"
        "11},\n"
        "{\"path\":\"b\",\"text\":\"3--\",\"confidence\":1.0,\"characters\":[],\"value\":null}\n]\n");
}

TEST_CASE("tables and numbers") {
  Table table({"name", "count"});
  table.add({"h\xC3\xA9", "12"});
  table.add({"", "3,456"});
  CHECK(table.text() == "name  count\nh\xC3\xA9       12\n      3,456\n");
  table.add({"\x1b[2J", "1"});
  CHECK(table.text().ends_with("\n\\x1b[2J      1\n"));
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1000) == "1,000");
  CHECK(with_commas(-1234567) == "-1,234,567");
  CHECK(duration(59.4) == "59 s");
  CHECK(duration(200) == "3 min 20 s");
  CHECK(duration(7500) == "2 h 5 min");
}

}  // namespace tapeline
