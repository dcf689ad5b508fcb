#include <unistd.h>

#include <cstdio>

#include "apps/commands/commands.h"
#include "apps/decoder_sandbox.h"
#include "apps/device_options.h"
#include "apps/fp32_fallback.h"
#include "apps/image_reader.h"
#include "apps/reading_format.h"
#include "apps/sheet.h"
#include "apps/standard_input.h"
#include "apps/syscall_filter.h"
#include "apps/terminal.h"
#include "models/data/check_dataset.h"
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
  std::int64_t max_pixels = ImageLimits{}.pixels;
  bool values = false, json = false, sandbox = false, no_sandbox = false;
};

/// Whether the first bytes are those of a picture, and not of a path. ("BM" alone could be either; a BMP goes
/// on with its size and zeros.)
bool begins_image(std::string_view bytes) {
  return bytes.starts_with("\x89PNG") || bytes.starts_with("\xFF\xD8\xFF") ||
         (bytes.starts_with("BM") && bytes.find('\0') != std::string_view::npos) ||
         ((bytes.starts_with("P5") || bytes.starts_with("P6")) && bytes.find_first_of(" \n\t\r#") == 2);
}

/// Whether the standard input is all that there is to read, and is a picture.
bool reads_image_on_stdin(const std::vector<std::string>& inputs) {
  constexpr std::size_t kMagic = 16;
  return inputs == std::vector<std::string>{"-"} && begins_image(StandardInput::get().peek(kMagic));
}

/// decode_image() in this process, or in a sandbox that is started now.
ImageDecoder make_decoder(const RecognizeArguments& arguments, bool on_stdin) {
  ImageLimits limits;
  limits.pixels = arguments.max_pixels;
  if (arguments.sandbox && arguments.no_sandbox) throw UsageError("give one of --sandbox and --no-sandbox");
  if (!arguments.sandbox && (!on_stdin || arguments.no_sandbox || !has_syscall_filter()))
    return [limits](auto bytes, auto name) { return decode_image(bytes, name, 0, limits); };
  const int threads = arguments.device.threads > 0 ? arguments.device.threads : available_threads();
  const auto sandbox = std::make_shared<DecoderSandbox>(on_stdin ? 1 : threads, limits);
  return [sandbox](auto bytes, auto name) { return sandbox->decode(bytes, name); };
}

class Recognition {
 public:
  Recognition(RecognizeArguments& arguments, const Model& model, ImageDecoder decode)
      : arguments_(arguments),
        decode_(std::move(decode)),
        recognizer_(model),
        format_(arguments.json ? "json" : arguments.format, arguments.values) {
    fall_back_to_fp32(recognizer_, arguments.model, arguments.device, progress_);
  }

  int run(bool on_stdin) {
    fmt::print("{}", format_.begin());
    if (on_stdin)
      read_stdin();
    else
      read_files();
    fmt::print("{}", format_.end());
    finish();
    return failed_ > 0 ? 1 : 0;
  }

 private:
  void read_stdin() {
    const std::string bytes = StandardInput::get().rest(kMaxFileBytes);
    std::vector<ReadImage> one(1);
    one[0].path = "-";
    one[0].image = decode_(std::as_bytes(std::span(bytes)), "standard input");
    read(std::move(one));
  }

  void read_files() {
    const auto batch = static_cast<std::size_t>(arguments_.batch);
    ImageReader reader(list_images(arguments_.inputs), decode_, arguments_.device.threads, 4 * batch);
    for (auto images = reader.next(batch); !images.empty(); images = reader.next(batch))
      read(std::move(images));
  }

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
      if (!readings[i].finite) {
        progress_.say(
            fmt::format("tapeline: cannot read {}: what {} makes of it is not finite; take an earlier model",
                        paths[i], arguments_.model));
        ++failed_;
        continue;
      }
      ++done_;
      fmt::print("{}", format_.line(paths[i], readings[i]));
      const double confidence = readings[i].confidence;
      if (arguments_.sheet.wanted())
        arguments_.sheet.add(pictures[i], fmt::format("{}  {:.2f}", readings[i].text, confidence),
                             confidence >= kSure);
    }
    std::fflush(stdout);
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
  ImageDecoder decode_;
  Recognizer recognizer_;
  ReadingFormat format_;
  Progress progress_;
  Stopwatch watch_;
  std::size_t done_ = 0, failed_ = 0;
};

int run(RecognizeArguments& arguments) {
  // A sandbox has to be there before there are threads, and is lighter before there is a model.
  const bool on_stdin = reads_image_on_stdin(arguments.inputs);
  ImageDecoder decode = make_decoder(arguments, on_stdin);
  const Model model = load_model(arguments.model, arguments.device.open());
  return Recognition(arguments, model, std::move(decode)).run(on_stdin);
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
  arguments.flag("--sandbox", given->sandbox,
                 "Decode each picture in a process that can do nothing else; a picture on the standard "
                 "input always is");
  arguments.flag("--no-sandbox", given->no_sandbox, "Decode that one in this process too");
  arguments.option("--max-pixels", given->max_pixels, "Refuse larger pictures before they are decoded",
                   std::int64_t{1}, std::int64_t{1} << 30);
  given->device.declare(arguments);
  arguments.examples(
      "  tapeline recognize best.safetensors photo.png scans/\n"
      "  find /data -name '*.png' | tapeline recognize best.safetensors - --format csv > read.csv\n"
      "  curl -s https://example.org/captcha.png | tapeline recognize best.safetensors - "
      "--evaluate-expressions");
  return [given] { return run(*given); };
}

}  // namespace tapeline
