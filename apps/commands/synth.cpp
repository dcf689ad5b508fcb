// Renders into DIR/images.partial, which becomes DIR/images when all is there; labels.tsv comes last.

#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/commands/commands.h"
#include "apps/stop_signal.h"
#include "apps/terminal.h"
#include "engine/io/atomic_file.h"
#include "engine/io/folder_lock.h"
#include "models/data/check_dataset.h"
#include "models/image/image_io.h"
#include "models/synth/expressions.h"

namespace tapeline {

namespace {

namespace fs = std::filesystem;

struct SynthArguments {
  std::string kind, output, operators = "2";
  std::int64_t count = 1000;
  std::uint64_t seed = 1;
  float brackets = ExpressionOptions().brackets;
  int width = ExpressionOptions().width, height = ExpressionOptions().height;
  int specks = ExpressionOptions().specks;
  int threads = 0;
  bool force = false, json = false;

  ExpressionOptions options() const {
    return parse_expression_options(
        fmt::format("seed={}&operators={}&brackets={}&width={}&height={}&specks={}", seed, operators,
                    brackets, width, height, specks));
  }
};

std::string image_name(std::int64_t index) { return fmt::format("{:06}.png", index + 1); }

bool is_image_name(const std::string& name) {
  return name.size() >= 10 && name.ends_with(".png") &&
         name.find_first_not_of("0123456789") == name.size() - 4;
}

void check_output(const fs::path& output, bool force) {
  if (fs::exists(output) && !fs::is_directory(output))
    throw Error("synth: {} is a file; give another --output", output.string());
  if (fs::exists(output) && !fs::is_empty(output) && !force)
    throw Error(
        "synth: {} is not empty; give another --output, or --force to replace the images and labels in it",
        output.string());
}

/// What an earlier run put there; anything else in the folder stays, and is said.
void remove_earlier(const fs::path& output) {
  fs::remove(output / "labels.tsv");
  const fs::path images = output / "images";
  if (!fs::exists(images)) return;
  std::vector<fs::path> earlier;
  for (const auto& entry : fs::directory_iterator(images)) {
    if (!is_image_name(entry.path().filename().string()))
      throw Error("synth: {} was not rendered by `tapeline synth`; move it away, or give another --output",
                  entry.path().string());
    earlier.push_back(entry.path());
  }
  for (const fs::path& file : earlier) fs::remove(file);
  fs::remove(images);
}

/// A folder that is gone again unless it was renamed.
class PartialFolder {
 public:
  explicit PartialFolder(fs::path path) : path_(std::move(path)) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~PartialFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Renders all; false where it was stopped before the end.
bool render(const SynthArguments& arguments, const fs::path& folder, std::vector<std::string>& texts,
            const std::atomic<bool>& stop) {
  const ExpressionOptions options = arguments.options();
  std::atomic<std::int64_t> next = 0;
  std::atomic<int> running = 0;
  std::atomic<bool> failed = false;
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (std::int64_t i = next++; i < arguments.count && !stop && !failed; i = next++) {
        RenderedExpression rendered = render_expression(options, static_cast<std::uint64_t>(i));
        write_file(folder / image_name(i), encode_png(rendered.image), Sync::later);
        texts[static_cast<std::size_t>(i)] = std::move(rendered.text);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed.exchange(true)) failure = std::current_exception();
    }
    --running;
  };
  Progress progress(arguments.json);
  const Stopwatch watch;
  {
    std::vector<std::jthread> workers;
    running = arguments.threads > 0 ? arguments.threads : available_threads();
    for (int t = running; t > 0; --t) workers.emplace_back(work);
    while (running > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const auto done = std::min(next.load(), arguments.count);
      progress.show(fmt::format("{} of {} images, {:.0f} images/s", with_commas(done),
                                with_commas(arguments.count), static_cast<double>(done) / watch.seconds()));
    }
  }
  if (failure) std::rethrow_exception(failure);
  return next >= arguments.count && !stop;
}

int run(const SynthArguments& arguments) {
  if (arguments.kind != "expressions")
    throw UsageError("synth: there is no kind \"{}\"; the kinds are: expressions", arguments.kind);
  if (arguments.output.empty()) throw UsageError("synth: give a folder as --output");
  arguments.options();
  const fs::path output = arguments.output;
  check_output(output, arguments.force);

  const StopSignal stop;
  const Stopwatch watch;
  fs::create_directories(output);
  const FolderLock lock(output);
  const PartialFolder partial(output / "images.partial");
  std::vector<std::string> texts(static_cast<std::size_t>(arguments.count));
  if (!render(arguments, partial.path(), texts, stop.requested())) {
    fmt::print(stderr, "tapeline: stopped; nothing was kept\n");
    return kInterrupted;
  }
  std::string labels;
  for (std::int64_t i = 0; i < arguments.count; ++i)
    labels += fmt::format("images/{}\t{}\n", image_name(i), texts[static_cast<std::size_t>(i)]);
  sync_files(output);
  remove_earlier(output);
  fs::rename(partial.path(), output / "images");
  write_file(output / "labels.tsv", std::string_view(labels));

  const double seconds = watch.seconds(), rate = static_cast<double>(arguments.count) / seconds;
  if (arguments.json)
    fmt::print("{}\n", nlohmann::json{{"images", arguments.count},
                                      {"seconds", seconds},
                                      {"images_per_s", rate},
                                      {"output", arguments.output}}
                           .dump());
  else
    fmt::print("{} images and labels.tsv in {}, {:.0f} images/s\n", with_commas(arguments.count),
               arguments.output, rate);
  return 0;
}

}  // namespace

std::function<int()> define_synth(Arguments& arguments) {
  auto given = std::make_shared<SynthArguments>();
  arguments.positional("KIND", given->kind, "What to render: expressions");
  arguments.option("-o,--output", given->output,
                   "Folder for images/ and labels.tsv; made where it is missing");
  arguments.option<std::int64_t>("-n,--count", given->count, "Images", 1, 100'000'000);
  arguments.option("--seed", given->seed, "The same seed gives the same images");
  arguments.option("--operators", given->operators, "Operators in an expression: 2, or from 2 to 3: 2-3");
  arguments.option("--brackets", given->brackets, "Share of expressions with brackets", 0.0f, 1.0f);
  arguments.option("--width", given->width, "Pixels", 1, 4096);
  arguments.option("--height", given->height, "Pixels", 1, 4096);
  arguments.option("--specks", given->specks, "Specks in an image, on average", 0, 1000);
  arguments.option("--threads", given->threads, "0: as many as cores", 0, 1024);
  arguments.flag("--force", given->force, "Replace the images and labels of an earlier run");
  arguments.flag("--json", given->json, "One JSON object at the end, for programs; no progress");
  arguments.examples(
      "  tapeline synth expressions --output captchas --count 2000 --seed 7\n"
      "  tapeline evaluate runs/demo/best.safetensors --data captchas");
  return [given] { return run(*given); };
}

}  // namespace tapeline
