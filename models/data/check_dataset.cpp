#include "models/data/check_dataset.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#include "engine/error.h"
#include "models/text/utf8.h"

namespace tapeline {
namespace {

constexpr std::size_t kTogether = 1 << 10;  // findings that are kept at a time

/// The names of a set may be long, and what is wrong with it must not take many times its own size.
constexpr std::size_t kMostProblemBytes = 32 << 20;

struct Finding {
  SampleFault fault = SampleFault::none;
  std::string why;
  int width = 0;
  std::size_t length = 0;
};

Finding examine(const Dataset& dataset, std::size_t index, const Preprocess& preprocess,
                const std::optional<LabelRules>& rules) {
  Finding finding;
  try {
    const Sample sample = dataset.load(index, preprocess.channels);
    finding.width = preprocess.output_width(sample.image.width, sample.image.height);
    finding.length = decode_utf8(sample.text).size();
    if (rules) finding.fault = check_label(*rules, sample.text, finding.width, finding.why);
  } catch (const Error& error) {
    finding.fault = SampleFault::unreadable;
    finding.why = error.what();
  }
  return finding;
}

/// Calls work(i) for every i < count on several threads; the first exception is thrown here after all have
/// ended.
template <typename Work>
void for_each_index(std::size_t count, int threads, Work work) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex mutex;
  const auto run = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> workers;
    for (int i = 1; i < threads; ++i) workers.emplace_back(run);
    run();
  }
  if (failure) std::rethrow_exception(failure);
}

void count_fault(DataReport& report, SampleFault fault) {
  if (fault == SampleFault::bad_line) ++report.bad_lines;
  if (fault == SampleFault::unreadable) ++report.unreadable;
  if (fault == SampleFault::outside_charset) ++report.outside_charset;
  if (fault == SampleFault::too_long) ++report.too_long;
}

}  // namespace

int available_threads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

int frames_needed(std::span<const int> classes) {
  int frames = static_cast<int>(classes.size());
  for (std::size_t i = 1; i < classes.size(); ++i) frames += classes[i] == classes[i - 1];
  return frames;
}

SampleFault check_label(const LabelRules& rules, std::string_view text, int width, std::string& why) {
  std::vector<int> classes;
  try {
    classes = rules.charset.encode(text);
  } catch (const Error& error) {
    why = error.what();
    return SampleFault::outside_charset;
  }
  if (!rules.frames) return SampleFault::none;
  const int needed = std::max(frames_needed(classes), 1), frames = rules.frames(width);
  if (needed <= frames) return SampleFault::none;
  why = fmt::format(
      "label \"{}\" needs {} frames, and an image of width {} gives {}: widen it, or take a network that "
      "shrinks it less",
      text, needed, width, frames);
  return SampleFault::too_long;
}

DataReport check_dataset(const Dataset& dataset, const Preprocess& preprocess,
                         const std::optional<LabelRules>& rules, const CheckOptions& options) {
  DataReport report;
  report.samples = dataset.size();
  std::size_t bytes = 0;
  const auto add_problem = [&](Problem problem, SampleFault fault) {
    if (options.strict) throw Error("{}: {}", problem.name, problem.why);
    count_fault(report, fault);
    if (report.problems.size() < DataReport::kMostProblems) bytes += problem.name.size() + problem.why.size();
    if (bytes > kMostProblemBytes)
      throw Error("{}: {}; {} samples before it cannot be used either: is this the right data?", problem.name,
                  problem.why, report.problems.size());
    if (report.problems.size() < DataReport::kMostProblems) report.problems.push_back(std::move(problem));
  };
  for (const Problem& problem : dataset.problems()) add_problem(problem, SampleFault::bad_line);
  report.looked_at = !dataset.rendered();
  if (!report.looked_at) return report;

  const std::size_t count = dataset.size();
  const bool any_width = preprocess.width == 0;
  if (any_width) report.widths.reserve(count);
  const int threads = options.threads > 0 ? options.threads : available_threads();
  std::vector<Finding> findings;
  for (std::size_t begin = 0; begin < count; begin += findings.size()) {
    findings.assign(std::min(count - begin, kTogether), {});
    for_each_index(findings.size(), threads,
                   [&](std::size_t i) { findings[i] = examine(dataset, begin + i, preprocess, rules); });
    for (std::size_t i = 0; i < findings.size(); ++i) {
      auto& [fault, why, width, length] = findings[i];
      if (fault != SampleFault::none) {
        if (report.all) {  // it was until now
          report.usable.resize(begin + i);
          std::iota(report.usable.begin(), report.usable.end(), 0u);
          report.all = false;
        }
        add_problem({dataset.name(begin + i), std::move(why)}, fault);
        continue;
      }
      if (!report.all) report.usable.push_back(static_cast<std::uint32_t>(begin + i));
      if (any_width) report.widths.push_back(width);
      report.longest_label = std::max(report.longest_label, length);
    }
  }
  return report;
}

Charset collect_charset(const Dataset& dataset) {
  constexpr std::size_t kEnoughOfEndless = 5000;
  std::set<char32_t> characters;
  for (std::size_t i = 0, count = dataset.endless() ? kEnoughOfEndless : dataset.size(); i < count; ++i)
    for (const char32_t character : decode_utf8(dataset.text(i))) characters.insert(character);
  return Charset(encode_utf8(std::u32string(characters.begin(), characters.end())));
}

}  // namespace tapeline
