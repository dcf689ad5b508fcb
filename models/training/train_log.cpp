#include "models/training/train_log.h"

#include <filesystem>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/image/chart.h"
#include "models/image/image_io.h"

namespace tapeline {

namespace fs = std::filesystem;

void ThinnedCurve::add(double x, double y) {
  if (count_++ % stride_ != 0) return;
  auto& points = series_.points;
  if (points.size() == kMostPoints) {
    for (std::size_t i = 0; 2 * i < points.size(); ++i) points[i] = points[2 * i];
    points.resize(kMostPoints / 2);
    stride_ *= 2;
  }
  points.emplace_back(x, y);
}

TrainLog::TrainLog(const std::string& folder, bool resume, std::int64_t resume_step)
    : file_((fs::path(folder) / "log.jsonl").string()), picture_((fs::path(folder) / "curves.png").string()) {
  std::string kept;
  if (resume) {
    std::ifstream before(file_);
    for (std::string text; std::getline(before, text);) {
      const nlohmann::json line = nlohmann::json::parse(text, nullptr, false);
      if (!line.is_object() || !line.contains("step") || !line["step"].is_number_integer() ||
          line["step"].get<std::int64_t>() > resume_step)
        continue;
      add_points(line);
      kept += line.dump() + "\n";
    }
  }
  write_file(file_, std::string_view(kept));
  stream_.open(file_, std::ios::app);
}

void TrainLog::add(const nlohmann::json& line) {
  stream_ << line.dump() << "\n" << std::flush;
  if (!stream_) throw Error("{}: cannot be written; is the disk full?", file_);
  add_points(line);
}

void TrainLog::add_points(const nlohmann::json& line) {
  const auto add = [&](ThinnedCurve& curve, const char* key) {
    if (line.contains(key) && line[key].is_number())
      curve.add(line["step"].get<double>(), line[key].get<double>());
  };
  add(loss_, "loss");
  add(exact_, "exact");
  add(cer_, "cer");
}

void TrainLog::draw() const {
  write_png(picture_, line_chart({{"CTC loss of an image", {loss_.series()}, true, false},
                                  {"validation", {exact_.series(), cer_.series()}, false, true}},
                                 "steps"));
}

}  // namespace tapeline
