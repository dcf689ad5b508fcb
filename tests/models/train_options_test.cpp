#include "models/training/train_options.h"

#include <doctest/doctest.h>

#include "engine/error.h"
#include "models/json_field.h"
#include "tests/errors.h"

namespace tapeline {

namespace {

std::string error_of_json(const nlohmann::json& training) {
  return error_of([&] { options_of_training(training); });
}

}  // namespace

TEST_CASE("numbers of JSON: of the kind that is asked for, and within the bounds") {
  const auto whole = [](const char* text) {
    return number_of<int>(nlohmann::json::parse(text), -9, 2147483647);
  };
  CHECK(whole("7") == 7);
  CHECK(whole("-9") == -9);
  CHECK(whole("2147483647") == 2147483647);
  for (const char* text : {"-10", "2147483648", "4294967297", "18446744073709551615", "4e99", "1.0", "\"7\"",
                           "null", "true", "[7]", "{}"})
    CHECK_MESSAGE(!whole(text), text);

  const auto index = [](const char* text) {
    return number_of<std::uint64_t>(nlohmann::json::parse(text), 0,
                                    std::numeric_limits<std::uint64_t>::max());
  };
  CHECK(index("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  CHECK(!index("-1"));
  CHECK(!index("18446744073709551616"));

  const auto real = [](const char* text) { return number_of<double>(nlohmann::json::parse(text), 0.0, 1e6); };
  CHECK(real("3") == 3.0);
  CHECK(real("2.5e-1") == 0.25);
  for (const char* text : {"-1e-9", "1e300", "\"1\"", "null"}) CHECK_MESSAGE(!real(text), text);
}

TEST_CASE("the options of a checkpoint are of their types and sizes, or the field is named") {
  TrainOptions options;
  options.network = "[1,20,60,1 O1c]";
  options.learning_rate = 0.25;
  options.seed = 18446744073709551615u;
  const nlohmann::json length{
      {"steps", 9}, {"epochs", 0}, {"minutes", 1.5}, {"evaluate_every", 3}, {"patience", 2}};
  const nlohmann::json whole{{"options", to_json(options)}, {"length", length}};
  const TrainOptions back = options_of_training(whole);
  CHECK(to_json(back) == to_json(options));
  CHECK(back.steps == 9);
  CHECK(back.minutes == 1.5);
  CHECK(back.patience == 2);

  struct Row {
    const char *part, *name;
    nlohmann::json value;
  };
  const Row rows[] = {
      {"options", "batch", 4e99},   {"options", "batch", 99999999999},
      {"options", "batch", "4"},    {"options", "batch", nullptr},
      {"options", "seed", -1},      {"options", "seed", 1.5},
      {"options", "clip", "x"},     {"options", "learning_rate", true},
      {"options", "network", 7},    {"options", "augment", nullptr},
      {"length", "steps", 1e30},    {"length", "patience", 1ll << 40},
      {"length", "epochs", "many"}, {"length", "epochs", 1e300},
      {"length", "minutes", 1e8},   {"length", "steps", -1},
      {"length", "patience", -1},   {"length", "evaluate_every", 0},
  };
  for (const Row& row : rows) {
    nlohmann::json changed = whole;
    changed[row.part][row.name] = row.value;
    CAPTURE(row.name);
    CAPTURE(row.value.dump());
    const std::string error = error_of_json(changed);
    CHECK(error.starts_with("training options: \"" + std::string(row.name) + "\" must be a "));
    changed[row.part].erase(row.name);
    CHECK(error_of_json(changed) == error);
  }
  for (const char* part : {"options", "length"}) {
    nlohmann::json changed = whole;
    changed[part] = 7;
    CHECK(error_of_json(changed).starts_with("training options: "));
    changed.erase(part);
    CHECK(error_of_json(changed).find("holds no training to go on with") != std::string::npos);
  }
}

}  // namespace tapeline
