#pragma once

// Learning rates as pure functions of the step. Steps count from 0; step s is the update made after s others.

#include <cstdint>
#include <string_view>
#include <vector>

namespace tapeline {

enum class ScheduleKind : std::uint8_t { constant, exponential, step, cosine, one_cycle };

/// With s the steps since the warm-up and S how many there are in all without it:
///   constant     rate
///   exponential  rate * decay^(s / every), the exponent cut to whole numbers where `staircase`
///   step         rate * decay^(number of milestones <= s)
///   cosine       from rate to rate * final: rate * (final + (1 - final) (1 + cos(pi s / S)) / 2)
///   one_cycle    PyTorch's OneCycleLR with cosine annealing (Smith and Topin 2017): rises from rate /
///   initial
///                to rate during the warm-up, then falls to rate / initial / final at the last step
/// A warm-up of w steps before any but one_cycle, where it is part of the cycle: rate(0) * (step + 1) / w.
struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  double rate = 1e-3;
  double decay = 0.1;                    // exponential, step
  double every = 10000;                  // exponential, in steps
  bool staircase = false;                // exponential
  std::vector<std::int64_t> milestones;  // step, ascending
  double initial = 25;                   // one_cycle: a divisor
  double final = 0;                      // cosine: a factor; one_cycle: a divisor
  double warmup = 0;                     // below 1: part of all steps; otherwise steps

  /// `total` is the number of steps of the whole training; past its end the last rate stays. Throws when
  /// step < 0, and when total < 1 where it is needed: cosine, one_cycle, and a warm-up below 1.
  double at(std::int64_t step, std::int64_t total) const;
};

/// Reads
///   constant
///   exponential:rate=.98,every=10000,staircase
///   step:rate=.1,at=30000/60000
///   cosine:final=0
///   onecycle:max=5e-3,warmup=.3,initial=25,final=1e4
/// where `warmup=` goes with all, and what is left out is as above (exponential: as above but .98; cosine:
/// final 0). `rate` is Schedule::rate, unless the text has max=. Throws, listing what there is, on another
/// name or option.
Schedule parse_schedule(std::string_view text, double rate);

}  // namespace tapeline
