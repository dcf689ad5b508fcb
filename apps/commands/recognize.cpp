#include <unistd.h>

#include <cstdio>

#include "apps/commands/commands.h"
#include "apps/device_options.h"
#include "apps/image_reader.h"
#include "apps/reading_format.h"
#include "apps/sheet.h"
#include "apps/standard_input.h"
#include "apps/terminal.h"
#include "models/data/file_tree.h"
#include "models/image/image_io.h"
#include "models/recognizer/recognizer.h"

namespace tapeline {

namespace {

constexpr double kSure = 0.9;

struct RecognizeArguments {
  DeviceChoice device;
  std::string model, format = "tsv";
  std::vector<std::string> inputs;
  Sheet sheet;
  int batch = 32;
  bool values = false, json = false;
};

/// Whether the first bytes are those of a picture, and not of a path. ("BM" alone could be either; a BMP goes
/// on with its size and zeros.)
bool begins_image(std::string_view bytes) {
  return bytes.starts_with("\x89PNG") || bytes.starts_with("\xFF\xD8\xFF") ||
         (bytes.starts_with("BM") && bytes.find('\0') != std::string_view::npos) ||
         ((bytes.starts_with("P5") || bytes.starts_with("P6")) && bytes.find_first_of(" \n\t\r#") == 2);
}

/// The picture on the standard input, where that begins as one.
std::optional<ReadImage> image_on_stdin() {
  constexpr std::size_t kMagic = 16;
  StandardInput& input = StandardInput::get();
  if (!begins_image(input.peek(kMagic))) return std::nullopt;
  const std::string bytes = input.rest(kMaxFileBytes);
  return ReadImage{"-", decode_image(std::as_bytes(std::span(bytes)), "standard input"), ""};
}

class Recognition {
 public:
  Recognition(RecognizeArguments& arguments, const Model& model)
      : arguments_(arguments),
        recognizer_(model),
        format_(arguments.json ? "json" : arguments.format, arguments.values) {}

  int run() {
    fmt::print("{}", format_.begin());
    std::vector<std::string> inputs = arguments_.inputs;
    if (inputs == std::vector<std::string>{"-"})
      if (auto image = image_on_stdin()) {
        std::vector<ReadImage> one;
        one.push_back(std::move(*image));
        read(std::move(one));
        inputs.clear();
      }
    const auto batch = static_cast<std::size_t>(arguments_.batch);
    ImageReader reader(list_images(std::move(inputs)), arguments_.device.threads, 4 * batch);
    for (auto images = reader.next(batch); !images.empty(); images = reader.next(batch))
      read(std::move(images));
    fmt::print("{}", format_.end());
    finish();
    return failed_ > 0 ? 1 : 0;
  }

 private:
  void read(std::vector<ReadImage> images) {
    std::vector<Image> pictures;
    std::vector<std::string> paths;
    for (ReadImage& image : images) {
      if (!image.error.empty()) {
        progress_.say("tapeline: " + image.error);
        ++failed_;
        continue;
      }
      paths.push_back(std::move(image.path));
      pictures.push_back(std::move(image.image));
    }
    const std::vector<Reading> readings = recognizer_.read(pictures, arguments_.batch);
    progress_.clear();
    for (std::size_t i = 0; i < readings.size(); ++i) {
      fmt::print("{}", format_.line(paths[i], readings[i]));
      const double confidence = readings[i].confidence;
      if (arguments_.sheet.wanted())
        arguments_.sheet.add(pictures[i], fmt::format("{}  {:.2f}", readings[i].text, confidence),
                             confidence >= kSure);
    }
    std::fflush(stdout);
    done_ += readings.size();
    if (!::isatty(STDOUT_FILENO))
      progress_.show(fmt::format("{} pictures, {:.0f} a second",
                                 with_commas(static_cast<std::int64_t>(done_)),
                                 static_cast<double>(done_) / watch_.seconds()));
  }

  void finish() {
    progress_.clear();
    arguments_.sheet.write("What was read",
                           fmt::format("{} pictures; green: a confidence of {} and more", done_, kSure));
    if (failed_ > 0)
      progress_.say(fmt::format("tapeline: {} of {} pictures could not be read", failed_, done_ + failed_));
  }

  RecognizeArguments& arguments_;
  Recognizer recognizer_;
  ReadingFormat format_;
  Progress progress_;
  Stopwatch watch_;
  std::size_t done_ = 0, failed_ = 0;
};

int run(RecognizeArguments& arguments) {
  const Model model = load_model(arguments.model, arguments.device.open());
  return Recognition(arguments, model).run();
}

}  // namespace

std::function<int()> define_recognize(Arguments& arguments) {
  auto given = std::make_shared<RecognizeArguments>();
  arguments.positional("MODEL", given->model, "A model file: best.safetensors of a training");
  arguments.positionals("FILES", given->inputs,
                        "Pictures (PNG, JPEG, BMP, PGM, PPM), folders of them, or -: a picture or a list of "
                        "paths on the standard input");
  arguments.choice("--format", given->format, "How to write what was read", {"tsv", "csv", "json"});
  arguments.flag("--json", given->json,
                 "The same as --format json: also each character's confidence and place");
  arguments.flag("--evaluate-expressions", given->values,
                 "Add the value of what was read, where it is an expression");
  arguments.option("--html", given->sheet.html,
                   "Write a page with the pictures and what was read (the first 1,000)");
  arguments.option("--png", given->sheet.png, "The same as one picture (the first 200)");
  arguments.option("--batch", given->batch, "Pictures that go through the network together", 1, 4096);
  given->device.declare(arguments);
  arguments.examples(
      "  tapeline recognize best.safetensors photo.png scans/\n"
      "  find /data -name '*.png' | tapeline recognize best.safetensors - --format csv > read.csv\n"
      "  curl -s https://example.org/captcha.png | tapeline recognize best.safetensors - "
      "--evaluate-expressions");
  return [given] { return run(*given); };
}

}  // namespace tapeline
