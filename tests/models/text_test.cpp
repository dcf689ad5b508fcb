#include <doctest/doctest.h>

#include <string>

#include "engine/error.h"
#include "models/text/charset.h"
#include "models/text/edit_distance.h"
#include "models/text/expression.h"
#include "models/text/utf8.h"
#include "tests/errors.h"

using namespace tapeline;
using namespace std::string_literals;

namespace {}  // namespace

TEST_CASE("utf8: every length of character goes there and back") {
  const std::u32string characters = U"a\u007F\u0080é\u07FF\u0800€\uFFFF\U00010000\U0010FFFF";
  const auto bytes = encode_utf8(characters);
  CHECK(bytes.size() == 1 + 1 + 2 + 2 + 2 + 3 + 3 + 3 + 4 + 4);
  CHECK(decode_utf8(bytes) == characters);
  CHECK(is_valid_utf8(bytes));
  CHECK(decode_utf8("").empty());
  CHECK(decode_utf8("a\0b"s) == U"a\0b"s);
}

TEST_CASE("utf8: what is not valid is refused by its byte") {
  for (const auto& bad :
       {"\x80"s, "\xC0\xAF"s, "\xC1\x81"s, "\xE0\x80\xAF"s, "\xED\xA0\x80"s, "\xF4\x90\x80\x80"s,
        "\xF0\x80\x80\x80"s, "\xFF"s, "\xC3"s, "\xE2\x82"s, "\xC3("s}) {
    CAPTURE(bad);
    CHECK_FALSE(is_valid_utf8(bad));
    CHECK_THROWS_AS(decode_utf8(bad), Error);
  }
  CHECK(fails_with([] { decode_utf8("ab\xFF", "labels.tsv:3"); }, "labels.tsv:3: byte 2 (0xFF)"));
  CHECK_THROWS_AS(encode_utf8(char32_t{0xD800}), Error);
  CHECK_THROWS_AS(encode_utf8(char32_t{0x110000}), Error);
  CHECK(describe_character(U'é') == "'é' (U+00E9)");
  CHECK(describe_character(U'\t') == "U+0009");
}

TEST_CASE("charset: classes are the places of the characters, after the blank") {
  const Charset charset("ba€");
  CHECK(charset.size() == 3);
  CHECK(charset.classes() == 4);
  CHECK(charset.encode("€ab") == std::vector{3, 2, 1});
  CHECK(charset.decode(std::vector{3, 2, 1}) == "€ab");
  CHECK(charset.encode("").empty());
  CHECK(charset.to_string() == "ba€");
  CHECK(Charset(charset.to_string()) == charset);
  CHECK(charset.find(U'x') == Charset::kBlank);
  CHECK(Charset().empty());
}

TEST_CASE("charset: errors name the character") {
  const Charset charset("ab");
  CHECK(fails_with([&] { charset.encode("abéx"); }, "'é' (U+00E9)"));
  CHECK(fails_with([] { Charset("aba"); }, "'a' (U+0061) is given twice"));
  CHECK_THROWS_AS(Charset("\xFF"), Error);
  CHECK_THROWS_AS(charset.decode(std::vector{0}), Error);
  CHECK_THROWS_AS(charset.decode(std::vector{3}), Error);
  CHECK_THROWS_AS(charset.decode(std::vector{-1}), Error);
}

TEST_CASE("edit distance") {
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("é", "e") == 1);
  CHECK(edit_distance("same", "same") == 0);
  CHECK_THROWS_AS(edit_distance("\xFF", ""), Error);
}

TEST_CASE("alignment: names what was replaced, added and missed") {
  CHECK(align(U"ab", U"xb") ==
        std::vector<Edit>{{EditKind::substitution, U'a', U'x'}, {EditKind::match, U'b', U'b'}});
  CHECK(align(U"abc", U"ac") == std::vector<Edit>{{EditKind::match, U'a', U'a'},
                                                  {EditKind::deletion, U'b', 0},
                                                  {EditKind::match, U'c', U'c'}});
  CHECK(align(U"", U"z") == std::vector<Edit>{{EditKind::insertion, 0, U'z'}});
  CHECK(align(U"", U"").empty());
}

TEST_CASE("alignment: as many steps as the distance, and both texts in order") {
  const std::u32string words[] = {U"intention", U"execution", U"", U"aab", U"baa", U"abcabcabc", U"cab"};
  for (const auto& expected : words)
    for (const auto& read : words) {
      std::size_t edits = 0;
      std::u32string left, right;
      for (const Edit& edit : align(expected, read)) {
        edits += edit.kind != EditKind::match;
        if (edit.expected) left += edit.expected;
        if (edit.read) right += edit.read;
      }
      CHECK(edits == edit_distance(expected, read));
      CHECK(left == expected);
      CHECK(right == read);
    }
  const std::u32string huge(20'000, U'a');
  CHECK_THROWS_AS(align(huge, huge), Error);
}

TEST_CASE("expression: values") {
  CHECK(evaluate_expression("(3-7)+5") == 1);
  CHECK(evaluate_expression("0*5+6") == 6);
  CHECK(evaluate_expression("9+3*2") == 15);
  CHECK(evaluate_expression("5-6+2") == 1);
  CHECK(evaluate_expression("8-3-2") == 3);
  CHECK(evaluate_expression("2*(3+4)*2") == 28);
  CHECK(evaluate_expression(" 12 + ( 3 ) ") == 15);
  CHECK(evaluate_expression("9223372036854775807") == INT64_MAX);
}

TEST_CASE("expression: what is none is refused by its column") {
  for (const auto& bad : {""s, " "s, "+"s, "3+"s, "-3"s, "3--5"s, "3 4"s, "(3"s, "3)"s, "()"s, "3a"s, "3(4)"s,
                          "1\0"s, "１"s, "9223372036854775808"s, "9223372036854775807+1"s,
                          "0-9223372036854775807-2"s, "4611686018427387904*2"s}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(evaluate_expression(bad), Error);
  }
  CHECK(fails_with([] { evaluate_expression("3+*4"); }, "column 3: expected a number or '('"));
  CHECK(fails_with([] { evaluate_expression("99*99999999999999999999"); }, "does not fit"));
}

TEST_CASE("expression: deep brackets are an error, not a crash") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '(') + "1" + std::string(depth, ')');
  };
  CHECK(evaluate_expression(nested(64)) == 1);
  CHECK(fails_with([&] { evaluate_expression(nested(1'000'000)); }, "nested deeper than 64"));
  CHECK(evaluate_expression("(1)+(1)+(1)") == 3);
}
