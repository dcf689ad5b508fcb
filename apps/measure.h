#pragma once

// How long a piece of work takes, measured the same way by `tapeline bench` and by the benchmarks of single
// operations.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace tapeline {

/// Enough repetitions: `least`, and on until `seconds` have passed, but no more than `most`.
struct Repetitions {
  int least = 20, most = 2000;
  double seconds = 1.5;
};

/// Milliseconds of each repetition, ascending. The work blocks until it is done.
std::vector<double> measure(const std::function<void()>& work, const Repetitions& repetitions);

/// Linear between the two nearest of the ascending values; `share` within [0, 1].
double percentile(const std::vector<double>& values, double share);

/// The largest resident set of this process so far, in MiB; 0 where the system does not tell.
double peak_rss_mib();

/// repetitions, median_ms, p10_ms, p90_ms, p99_ms of the ascending times, and peak_rss_mib.
nlohmann::json summary(const std::vector<double>& times);

/// For scripts that measure several programs in turn. Writes {"ready": true} and then, for each line of the
/// standard input, `SECONDS LEAST`, does the work once unmeasured, measures it for so long and at least so
/// often, and answers with its summary() in a line. Ends with the input. Throws on any other line.
void measure_on_request(const std::function<void()>& work);

}  // namespace tapeline
