#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "engine/error.h"
#include "models/recognizer/evaluate.h"
#include "models/text/edit_distance.h"
#include "models/text/utf8.h"

namespace tapeline {

namespace {

/// Expected calibration error: bins of equal width, the gap between confidence and accuracy weighted by their
/// share.
class Calibration {
 public:
  void add(double confidence, bool right) {
    Bin& bin = bins_[std::min<std::size_t>(static_cast<std::size_t>(confidence * kBins), kBins - 1)];
    ++bin.count;
    bin.confidence += confidence;
    bin.right += right;
    ++count_;
  }
  double error() const {
    double gap = 0;
    for (const Bin& bin : bins_) gap += std::abs(bin.confidence - bin.right);
    return count_ ? gap / count_ : 0;
  }

 private:
  static constexpr std::size_t kBins = 10;
  struct Bin {
    int count = 0, right = 0;
    double confidence = 0;
  };
  std::array<Bin, kBins> bins_{};
  int count_ = 0;
};

std::string character(char32_t c) { return c ? encode_utf8(c) : std::string(); }

}  // namespace

Evaluation score(std::span<const std::string> names, std::span<const std::string> truths,
                 std::span<const Reading> readings) {
  if (names.size() != readings.size() || truths.size() != readings.size())
    throw Error("score: {} names, {} texts and {} readings", names.size(), truths.size(), readings.size());
  Evaluation e;
  Calibration calibration;
  std::map<std::pair<char32_t, char32_t>, int> confusions;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const Reading& reading = readings[i];
    const std::u32string truth = decode_utf8(truths[i]), read = decode_utf8(reading.text);
    int distance = 0;
    for (const Edit& edit : align(truth, read))
      if (edit.kind != EditKind::match) ++distance, ++confusions[{edit.expected, edit.read}];
    const bool right = distance == 0 && reading.finite;
    e.not_finite += !reading.finite;
    ++e.images;
    e.right += right;
    e.characters += static_cast<std::int64_t>(truth.size());
    e.edits += distance;
    e.normalized_distance += distance / std::max<double>({1.0, static_cast<double>(truth.size()),
                                                          static_cast<double>(read.size())});
    (right ? e.confidence_right : e.confidence_wrong) += reading.confidence;
    calibration.add(reading.confidence, right);
    if (!right) e.mistakes.push_back({i, names[i], truths[i], reading.text, reading.confidence, distance});
  }
  if (e.images) {
    e.mean_distance = static_cast<double>(e.edits) / e.images;
    e.normalized_distance /= e.images;
    e.confidence_right /= std::max(1, e.right);
    e.confidence_wrong /= std::max(1, e.images - e.right);
  }
  e.calibration_error = calibration.error();
  for (const auto& [pair, count] : confusions)
    e.confusions.push_back({character(pair.first), character(pair.second), count});
  std::stable_sort(e.confusions.begin(), e.confusions.end(),
                   [](const Confusion& a, const Confusion& b) { return a.count > b.count; });
  std::stable_sort(e.mistakes.begin(), e.mistakes.end(), [](const Mistake& a, const Mistake& b) {
    return a.distance != b.distance ? a.distance > b.distance : a.confidence > b.confidence;
  });
  return e;
}

nlohmann::json to_json(const Evaluation& e, std::size_t most_mistakes) {
  nlohmann::json json{{"images", e.images},
                      {"exact", e.exact()},
                      {"cer", e.cer()},
                      {"ned", e.normalized_distance},
                      {"distance", e.mean_distance},
                      {"confidence_right", e.confidence_right},
                      {"confidence_wrong", e.confidence_wrong},
                      {"calibration_error", e.calibration_error},
                      {"not_finite", e.not_finite},
                      {"confusions", nlohmann::json::array()},
                      {"mistakes", nlohmann::json::array()},
                      {"problems", nlohmann::json::array()}};
  for (const Confusion& c : e.confusions)
    json["confusions"].push_back({{"truth", c.truth}, {"read", c.read}, {"count", c.count}});
  for (std::size_t i = 0; i < std::min(most_mistakes, e.mistakes.size()); ++i) {
    const Mistake& m = e.mistakes[i];
    json["mistakes"].push_back({{"name", m.name},
                                {"truth", m.truth},
                                {"read", m.read},
                                {"confidence", m.confidence},
                                {"distance", m.distance}});
  }
  for (const Problem& p : e.problems) json["problems"].push_back({{"name", p.name}, {"why", p.why}});
  return json;
}

}  // namespace tapeline
