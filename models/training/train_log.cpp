#include "models/training/train_log.h"

#include <filesystem>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/image/chart.h"
#include "models/image/image_io.h"

namespace tapeline {

namespace fs = std::filesystem;

TrainLog::TrainLog(const std::string& folder, bool resume, std::int64_t resume_step)
    : file_((fs::path(folder) / "log.jsonl").string()), picture_((fs::path(folder) / "curves.png").string()) {
  if (resume) {
    std::ifstream before(file_);
    for (std::string text; std::getline(before, text);) {
      const nlohmann::json line = nlohmann::json::parse(text, nullptr, false);
      if (line.is_object() && line.value("step", resume_step + 1) <= resume_step) lines_.push_back(line);
    }
  }
  std::string kept;
  for (const nlohmann::json& line : lines_) kept += line.dump() + "\n";
  write_file(file_, std::string_view(kept));
  stream_.open(file_, std::ios::app);
}

void TrainLog::add(nlohmann::json line) {
  stream_ << line.dump() << "\n" << std::flush;
  if (!stream_) throw Error("{}: cannot be written; is the disk full?", file_);
  lines_.push_back(std::move(line));
}

void TrainLog::draw() const {
  Series loss{"loss", {}}, exact{"read exactly", {}}, cer{"character error rate", {}};
  for (const nlohmann::json& line : lines_) {
    const auto add = [&](Series& series, const char* key) {
      if (line.contains(key) && line[key].is_number() && line["step"].is_number())
        series.points.emplace_back(line["step"].get<double>(), line[key].get<double>());
    };
    add(loss, "loss");
    add(exact, "exact");
    add(cer, "cer");
  }
  write_png(picture_, line_chart({{"CTC loss of an image", {loss}, true, false},
                                  {"validation", {exact, cer}, false, true}},
                                 "steps"));
}

}  // namespace tapeline
