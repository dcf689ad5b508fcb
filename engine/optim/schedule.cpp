#include "engine/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/error.h"
#include "engine/optim/option_text.h"

namespace tapeline {

namespace {

constexpr double kHuge = 1e12;  // of what counts steps; exact in a double

/// From `from` to `to` along half a cosine as `part` goes from 0 to 1.
double anneal(double from, double to, double part) {
  return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * std::clamp(part, 0.0, 1.0)));
}

double one_cycle(const Schedule& s, double step, double total, double warmup) {
  const double start = s.rate / s.initial, end = start / s.final;
  const double peak = warmup - 1,
               last = total - 1;  // the steps on which rate and end are reached
  step = std::min(step, last);
  if (step <= peak && peak > 0) return anneal(start, s.rate, step / peak);
  return last > peak ? anneal(s.rate, end, (step - peak) / (last - peak)) : s.rate;
}

double after_warmup(const Schedule& s, double step, double total) {
  switch (s.kind) {
    case ScheduleKind::constant:
    case ScheduleKind::one_cycle:
      return s.rate;
    case ScheduleKind::exponential: {
      const double periods = step / s.every;
      return s.rate * std::pow(s.decay, s.staircase ? std::floor(periods) : periods);
    }
    case ScheduleKind::step: {
      const auto passed =
          std::ranges::count_if(s.milestones, [&](std::int64_t m) { return static_cast<double>(m) <= step; });
      return s.rate * std::pow(s.decay, static_cast<double>(passed));
    }
    case ScheduleKind::cosine:
      return anneal(s.rate, s.rate * s.final, total > 0 ? step / total : 1);
  }
  return s.rate;
}

std::vector<std::int64_t> parse_milestones(std::string_view text) {
  std::vector<std::int64_t> milestones;
  while (!text.empty()) {
    const std::size_t slash = text.find('/');
    const double step = parse_number("schedule step: at", text.substr(0, slash));
    if (step < 0 || step > kHuge || step != std::floor(step))
      throw Error("schedule step: at: {} is not a number of steps; write at=30000/60000", step);
    milestones.push_back(static_cast<std::int64_t>(step));
    text = slash == text.npos ? "" : text.substr(slash + 1);
  }
  if (milestones.empty())
    throw Error("schedule step: give the steps at which to decay, as in at=30000/60000");
  std::ranges::sort(milestones);
  return milestones;
}

}  // namespace

double Schedule::at(std::int64_t step, std::int64_t total) const {
  if (step < 0) throw Error("schedule: there is no step {}; they count from 0", step);
  if (total < 1 &&
      (kind == ScheduleKind::cosine || kind == ScheduleKind::one_cycle || (warmup > 0 && warmup < 1)))
    throw Error(
        "schedule: {} needs to know the number of steps in advance; give it, or take another schedule",
        kind == ScheduleKind::cosine      ? "cosine"
        : kind == ScheduleKind::one_cycle ? "onecycle"
                                          : "a warm-up that is a part of all steps");
  const double now = static_cast<double>(step), all = static_cast<double>(total);
  const double warming = warmup < 1 ? warmup * all : warmup;
  if (kind == ScheduleKind::one_cycle) return one_cycle(*this, now, all, warming);
  const double whole = std::floor(warming);
  if (now < whole) return after_warmup(*this, 0, all - whole) * (now + 1) / whole;
  return after_warmup(*this, now - whole, all - whole);
}

Schedule parse_schedule(std::string_view text, double rate) {
  OptionText options("schedule", text);
  Schedule s;
  s.rate = rate;
  const std::string& name = options.name();
  s.warmup = options.number("warmup", name == "onecycle" ? 0.3 : 0, 0, kHuge);
  if (name == "constant") {
    options.finish({"warmup"});
  } else if (name == "exponential") {
    s.kind = ScheduleKind::exponential;
    s.decay = options.number("rate", 0.98, 0, 1);
    s.every = options.number("every", s.every, 1, kHuge);
    s.staircase = options.flag("staircase");
    options.finish({"rate", "every", "staircase", "warmup"});
  } else if (name == "step") {
    s.kind = ScheduleKind::step;
    s.decay = options.number("rate", s.decay, 0, 1);
    s.milestones = parse_milestones(options.text("at"));
    options.finish({"rate", "at", "warmup"});
  } else if (name == "cosine") {
    s.kind = ScheduleKind::cosine;
    s.final = options.number("final", 0, 0, 1);
    options.finish({"final", "warmup"});
  } else if (name == "onecycle") {
    s.kind = ScheduleKind::one_cycle;
    s.rate = options.number("max", rate, 0, kHuge);
    s.initial = options.number("initial", s.initial, 1, kHuge);
    s.final = options.number("final", 1e4, 1, kHuge);
    options.finish({"max", "warmup", "initial", "final"});
  } else {
    options.unknown_name({"constant", "exponential", "step", "cosine", "onecycle"});
  }
  return s;
}

}  // namespace tapeline
