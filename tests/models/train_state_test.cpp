#include "models/training/train_state.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "tests/errors.h"

namespace tapeline {

namespace {

TrainState some_state() {
  TrainState state;
  state.step = 12;
  state.best_exact = 0.75;
  state.best_cer = 0.0625;
  state.best_step = 8;
  state.stale = 2;
  state.skipped_steps = {3, 5};
  state.loss_scale = {.value = 1024, .steady = 9};
  return state;
}

std::string error_of_json(const nlohmann::json& training) {
  return error_of([&] { TrainState::read(training); });
}

}  // namespace

TEST_CASE("train state: is read as it was written") {
  nlohmann::json training{{"options", "stay"}};
  some_state().write(training, true);
  CHECK(training["options"] == "stay");
  const TrainState back = TrainState::read(training);
  CHECK(back.step == 12);
  CHECK(back.best_exact == 0.75);
  CHECK(back.best_cer == 0.0625);
  CHECK(back.best_step == 8);
  CHECK(back.stale == 2);
  CHECK(back.skipped_steps == std::vector<std::int64_t>{3, 5});
  CHECK(back.loss_scale.value == 1024);
  CHECK(back.loss_scale.steady == 9);

  nlohmann::json plain;
  TrainState{}.write(plain, false);
  CHECK_FALSE(plain.contains("skipped_steps"));
  CHECK_FALSE(plain.contains("loss_scale"));
  CHECK(TrainState::read(plain).loss_scale.value == LossScale{}.value);
}

TEST_CASE("train state: the best has the most exact readings, then the lowest character error rate") {
  const auto evaluation = [](int right, std::int64_t edits) {
    Evaluation e;
    e.images = 10, e.right = right, e.characters = 100, e.edits = edits;
    return e;
  };
  TrainState state;
  state.step = 1;
  CHECK(state.improve(evaluation(5, 30)));
  state.step = 2;
  CHECK_FALSE(state.improve(evaluation(4, 10)));
  CHECK_FALSE(state.improve(evaluation(5, 30)));
  CHECK(state.stale == 2);
  CHECK(state.best_step == 1);
  state.step = 3;
  CHECK(state.improve(evaluation(5, 20)));
  CHECK(state.stale == 0);
  CHECK(state.best_step == 3);
  CHECK(state.best_cer == 0.2);
}

TEST_CASE("train state: a field that is missing or cannot be is named") {
  nlohmann::json whole;
  some_state().write(whole, true);
  struct Row {
    const char *object, *field;
    nlohmann::json value;
  };
  const Row rows[] = {
      {"state", "step", -1},        {"state", "step", 1e30},        {"state", "step", "7"},
      {"state", "best_exact", {}},  {"state", "best_cer", "x"},     {"state", "best_step", 1.5},
      {"state", "stale", -3},       {"state", "stale", 1ll << 40},  {"loss_scale", "value", 0.5},
      {"loss_scale", "value", 1e9}, {"loss_scale", "steady", 2001},
  };
  for (const Row& row : rows) {
    nlohmann::json changed = whole;
    changed[row.object][row.field] = row.value;
    CAPTURE(row.field);
    CAPTURE(row.value.dump());
    const std::string error = error_of_json(changed);
    CHECK(error.starts_with("\"" + std::string(row.field) + "\" must be a "));
    changed[row.object].erase(row.field);
    CHECK(error_of_json(changed) == error);
  }
  for (const nlohmann::json& steps :
       {nlohmann::json(7), nlohmann::json{-1}, nlohmann::json{"3"}, nlohmann::json{{"a", 1}}}) {
    nlohmann::json changed = whole;
    changed["skipped_steps"] = steps;
    CHECK(error_of_json(changed).starts_with("\"skipped_steps\" must be "));
  }
  whole.erase("state");
  CHECK(error_of_json(whole) == "\"state\" is missing");
  CHECK_FALSE(error_of_json({{"state", 7}}).empty());
}

}  // namespace tapeline
