#pragma once

// Looks at every sample once before training, so that none of them fails, or is silently worth nothing, in
// the middle.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/data/dataset.h"
#include "models/data/preprocess.h"
#include "models/text/charset.h"

namespace tapeline {

/// What a network can be taught: texts of its characters that fit into its frames (time steps).
struct LabelRules {
  Charset charset;
  std::function<int(int width)> frames;  // that an image of this width, as preprocessed, gives; may be empty
};

/// Frames that CTC needs for these classes: one each, and one between equal neighbours.
int frames_needed(std::span<const int> classes);

enum class SampleFault { none, bad_line, unreadable, outside_charset, too_long };

/// Whether an image of this (preprocessed) width can be trained with this text; if not, `why` says why not.
/// An image that gives no frames at all is too narrow for any text.
SampleFault check_label(const LabelRules& rules, std::string_view text, int width, std::string& why);

/// A list may have millions of lines: what is not the same for each of them alone is kept.
struct DataReport {
  std::size_t samples = 0;            // of the whole set
  bool looked_at = false;             // every sample was; those of a rendered set are not
  bool all = true;                    // every sample can be used
  std::vector<std::uint32_t> usable;  // indices in the set, unless `all`
  std::vector<int> widths;            // of the usable ones, as preprocessed, where pictures keep their aspect
  std::size_t longest_label = 0;      // of the usable ones, in characters

  static constexpr std::size_t kMostProblems = 100'000;
  std::vector<Problem> problems;  // bad lines, then the samples that were left out, in their order; the first
                                  // so many
  std::size_t bad_lines = 0, unreadable = 0, outside_charset = 0, too_long = 0;

  std::size_t count() const { return all ? samples : usable.size(); }
  std::size_t index(std::size_t i) const { return all ? i : usable[i]; }
};

struct CheckOptions {
  bool strict = false;  // throws Error at the first problem instead
  int threads = 0;      // 0: one a core
};

/// Reads every sample of a set of files. Without rules only what cannot be read is left out, as for an
/// evaluation, where a text that cannot be read right is a mistake and not a fault of the data. The report
/// does not depend on the number of threads. Give it keep_decoded(...), and nothing is read twice.
DataReport check_dataset(const Dataset& dataset, const Preprocess& preprocess,
                         const std::optional<LabelRules>& rules, const CheckOptions& options = {});

/// Every character of the texts, of an endless set those of the first 5000 samples, in the order of the code
/// points. Texts that are not valid UTF-8 never come out of a data set.
Charset collect_charset(const Dataset& dataset);

/// Threads that this process can run at once.
int available_threads();

}  // namespace tapeline
