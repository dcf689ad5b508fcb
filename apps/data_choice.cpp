#include "apps/data_choice.h"

#include <charconv>

#include "apps/arguments.h"
#include "apps/terminal.h"
#include "engine/error.h"
#include "models/data/check_dataset.h"

namespace tapeline {

namespace {

constexpr std::string_view kSeparator = " | ", kTraining = "training of ", kValidation = "validation of ",
                           kFirst = "first ", kSynth = "synth:", kSeed = "seed=";

/// `synth:expressions?seed=7&operators=3` with another seed and without an end.
std::string with_another_seed(std::string_view spec) {
  spec = spec.substr(0, spec.find('#'));
  const auto question = spec.find('?');
  std::string result(spec.substr(0, question));
  std::string_view options = question == std::string_view::npos ? "" : spec.substr(question + 1);
  std::uint64_t seed = 1;
  std::string kept;
  while (!options.empty()) {
    const auto end = std::min(options.find('&'), options.size());
    const std::string_view option = options.substr(0, end);
    options.remove_prefix(std::min(end + 1, options.size()));
    if (option.starts_with(kSeed))
      std::from_chars(option.data() + kSeed.size(), option.data() + option.size(), seed);
    else if (!option.starts_with("count="))
      kept += fmt::format("&{}", option);
  }
  return fmt::format("{}?seed={}{}&count=1000", result, seed + 1'000'000, kept);
}

}  // namespace

const char* const kDataHelp =
    "Images: a folder or .tar with labels.tsv, labels.txt, or images named label.png or id_label.png; a list "
    "of "
    "`path<TAB>text` lines; or synth:expressions?seed=7. #FROM:TO behind it takes a range, #-400: the last "
    "400";

DatasetPtr DataChoice::take(DatasetPtr dataset) const {
  if (!split.empty()) dataset = take_part(std::move(dataset), parse_split(split), part);
  if (limit > 0) dataset = take_first(std::move(dataset), static_cast<std::size_t>(limit));
  return dataset;
}

bool DataChoice::rendered() const { return data.starts_with(kSynth); }

std::string DataChoice::text() const {
  std::string text = data;
  if (!split.empty())
    text += fmt::format("{}{}{}", kSeparator, part == Part::training ? kTraining : kValidation, split);
  if (limit > 0) text += fmt::format("{}{}{}", kSeparator, kFirst, limit);
  return text;
}

DataChoice DataChoice::parse(std::string_view text) {
  DataChoice choice;
  for (auto at = text.rfind(kSeparator); at != std::string_view::npos; at = text.rfind(kSeparator)) {
    const std::string_view last = text.substr(at + kSeparator.size());
    if (last.starts_with(kFirst)) {
      const std::string_view number = last.substr(kFirst.size());
      std::from_chars(number.data(), number.data() + number.size(), choice.limit);
    } else if (last.starts_with(kTraining) || last.starts_with(kValidation)) {
      choice.part = last.starts_with(kTraining) ? Part::training : Part::validation;
      choice.split = last.substr(last.find(" of ") + 4);
    } else {
      break;  // it belongs to the path
    }
    text = text.substr(0, at);
  }
  choice.data = text;
  return choice;
}

DataChoice default_validation(DataChoice& training) {
  if (training.rendered()) return {with_another_seed(training.data), "", Part::validation, 0};
  training.split = "0.9:0.1";
  training.part = Part::training;
  return {training.data, training.split, Part::validation, 0};
}

std::string count_problems(const std::vector<Problem>& problems) {
  return with_commas(static_cast<std::int64_t>(problems.size())) +
         (problems.size() == DataReport::kMostProblems ? " or more" : "");
}

}  // namespace tapeline
