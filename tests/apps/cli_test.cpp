// Every command as a person types it: what it prints, what it leaves, and its exit status.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "engine/io/safetensors.h"
#include "tests/apps/program.h"
#include "tests/engine/temporary_folder.h"
#include "tests/errors.h"

namespace tapeline {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kNetwork = "[1,20,60,1 Cl3,3,8,2,2 Bn Al.1 Mp2,2 S1(1x0)1,3 Lbx12 Do.2 O1c]";
const std::string kAnyWidth = "[1,20,0,1 Cl3,3,6,2,2 Bn Ar Mp2,1 S1(1x0)1,3 Lbx8 O1c]";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

void check_right(const Outcome& outcome) {
  INFO(outcome.err);
  CHECK(outcome.status == 0);
}

/// 60 images, and a model that was trained on them for ten steps: made once.
struct Trained {
  TemporaryFolder folder;
  std::string data = (folder / "data").string(), output = (folder / "run").string();
  std::string model = output + "/best.safetensors";
  Outcome synth, train;

  Trained() {
    synth = run({"synth", "expressions", "--output", data, "--count", "60", "--seed", "3"});
    train =
        run({"train", "--network", kNetwork, "--data", data, "--split", "0.8:0.2", "--steps", "10", "--batch",
             "8", "--evaluate-every", "5", "--output", output, "--threads", "1", "--clip", "1"});
  }
  std::string image(int number) const { return fmt::format("{}/images/{:06}.png", data, number); }
  std::string image_bytes(int number) const { return read_text(image(number)); }
};

const Trained& trained() {
  static const Trained once;
  return once;
}

std::vector<std::string> train_arguments(const std::string& output, const std::string& steps) {
  return {"train",   "--network", kAnyWidth,   "--data",      trained().data,
          "--split", "3:1",       "--batch",   "8",           "--steps",
          steps,     "--output",  output,      "--optimizer", "adamw",
          "--decay", "*=.01",     "--augment", "light",       "--evaluate-every",
          "3",       "--threads", "2",         "--seed",      "9"};
}

}  // namespace

TEST_CASE("help tells every command's options and examples") {
  const Outcome all = run({"--help"});
  CHECK(all.status == 0);
  for (const std::string command : {"synth", "train", "evaluate", "recognize", "inspect", "devices", "bench",
                                    "profile", "verify", "warm"}) {
    INFO(command);
    CHECK(has(all.out, command));
    const Outcome one = run({command, "--help"});
    CHECK(one.status == 0);
    CHECK(has(one.out, "Examples:"));
    CHECK(has(one.out, fmt::format("tapeline {} ", command)));
    CHECK(has(one.out, "--json"));
    CHECK(one.err.empty());
  }
  CHECK(has(run({"train", "--help"}).out, "--patience"));
  CHECK(has(run({"--version"}).out, "tapeline 0.1.0"));
}

TEST_CASE("what cannot be meant has exit status 2, and the nearest name is offered") {
  const auto check = [](const std::vector<std::string>& arguments, const std::string& words) {
    const Outcome outcome = run(arguments);
    INFO(outcome.err);
    CHECK(outcome.status == 2);
    CHECK(has(outcome.err, "tapeline: "));
    CHECK(has(outcome.err, words));
    CHECK(outcome.out.empty());
  };
  check({}, "give a command");
  check({"tarin"}, "there is no command \"tarin\"; did you mean train?");
  check({"reco"}, "did you mean recognize?");
  check({"xyzzy"}, "The commands are synth, train");
  check({"--colour"}, "--help");
  check({"train", "--bacth", "3"}, "train has no option --bacth; did you mean --batch?");
  check({"train", "--bacth=3"}, "did you mean --batch?");
  check({"evaluate", "--json", "--dat", "x", "model"}, "did you mean --data?");
  check({"recognize", "--fromat", "csv"}, "did you mean --format?");  // though other things are missing too
  check({"devices", "extra"}, "\"extra\"");
  check({"train", "--batch", "many", "--output", "x"}, "--batch");
  check({"train", "--batch", "0", "--output", "x"}, "0 is not in [1, 65536]");
  check({"recognize", "m", "a.png", "--format", "xml"}, "\"xml\" is none of tsv, csv, json");
  check({"recognize", "m"}, "FILES");
  check({"train", "--precision", "fp8", "--output", "x"}, "\"fp8\" is none of fp32, tf32, bf16, fp16");
  check({"train", "--preset", "captcha", "--steps", "1"}, "--output");
  check({"train", "--output", "x", "--data", "y"}, "captcha-small");
  check({"train", "--output", "x", "--preset", "captcha"}, "--data");
  check({"train", "--output", "x", "--preset", "captcha", "--network", kNetwork, "--data", "y"}, "not both");
  check({"train", "--output", "x", "--preset", "captcha", "--data", "y", "--validate", "z", "--split", "1:1"},
        "--split");
  check({"bench"}, "presets: captcha");
  check({"bench", "captcha", "--preset", "captcha"}, "choose one");
  check({"bench", "captcha", "--tune"}, "no network");
  check({"evaluate", "model"}, "--data");
  check({"synth", "words", "--output", "x"}, "the kinds are: expressions");
  check({"synth", "expressions"}, "--output");
}

TEST_CASE("devices") {
  const Outcome people = run({"devices", "--threads", "1"});
  check_right(people);
  const Outcome machine = run({"devices", "--json"});
  check_right(machine);
  // Whatever was built and whatever this machine has: every kind is listed, and one that cannot be used says
  // why.
  std::set<std::string> kinds;
  for (const json& device : json::parse(machine.out)) {
    const std::string id = device["id"];
    INFO(id);
    CHECK(has(people.out, id));
    kinds.insert(id.substr(0, id.find(':')));
    if (id == "cpu") {
      CHECK(device["usable"] == true);
      CHECK(device["peak_gflops"] > 0);
    }
    if (device["usable"] == false) CHECK(device["reason"].get<std::string>().size() > 10);
  }
  CHECK(kinds == std::set<std::string>{"cpu", "cuda", "reference", "vulkan"});
}

TEST_CASE("verify compares devices with the CPU, and its status says whether they agree") {
  const Outcome people = run({"verify", trained().model, "--devices", "reference,cpu", "--limit", "5"});
  check_right(people);
  CHECK(has(people.out, "1-2: Cl3,3,8,2,2 Bn Al.1"));
  CHECK(has(people.out, "All 5 texts are the same."));
  CHECK(has(people.err, "on rendered expressions; --data would take"));
  const Outcome machine = run({"verify", trained().model, "--devices", "reference", "--limit", "0", "--json",
                               "--data", trained().data});
  check_right(machine);
  const json verdict = json::parse(machine.out);
  CHECK(verdict["good"] == true);
  CHECK(verdict["devices"][0]["images"] == 60);
  CHECK(verdict["devices"][0]["first_beyond"].is_null());

  const Outcome strict = run({"verify", trained().model, "--devices", "reference", "--tolerance", "1e-12"});
  CHECK(strict.status == 1);
  CHECK(has(strict.out, "Out of tolerance (1e-12) first: layer 1"));
  CHECK(has(strict.out, "kernel conv2d_forward"));
  const Outcome missing = run({"verify", "captcha-small", "--devices", "reference,cdua", "--limit", "1"});
  CHECK(missing.status == 1);
  CHECK(has(missing.out, "cdua: failed: there is no device 'cdua'"));
  CHECK(run({"verify", "captcha-small", "--devices", "reference,,cpu"}).status == 2);
}

TEST_CASE("warm says what a device keeps, and that the CPU needs nothing") {
  const Outcome outcome = run({"warm", "--network", kNetwork, "--device", "cpu", "--batch", "2"});
  check_right(outcome);
  CHECK(has(outcome.out, "nothing needs to be compiled"));
}

TEST_CASE("inspect a preset, a network and a model") {
  const Outcome preset = run({"inspect", "captcha"});
  check_right(preset);
  CHECK(has(preset.out, "60 x 180 x 64"));
  CHECK(has(preset.out, "12 frames"));
  const json small = json::parse(run({"inspect", "--preset", "captcha-small", "--json"}).out);
  CHECK(small["frames"] == 45);
  CHECK(small["parameters"] > 100'000);

  const json any = json::parse(run({"inspect", "--network", kAnyWidth, "--width", "200", "--json"}).out);
  CHECK(any["frames"] == 100);
  CHECK(any["any_width"] == true);
  std::int64_t sum = 0;
  for (const json& layer : any["layers"]) sum += layer["parameters"].get<std::int64_t>();
  CHECK(any["parameters"] == sum);

  const Outcome model = run({"inspect", trained().model});
  check_right(model);
  CHECK(has(model.out, "charset"));
  CHECK(has(model.out, "metrics"));
  const json description = json::parse(run({"inspect", trained().model, "--json"}).out);
  CHECK(description["network"] == kNetwork);
  CHECK(description["preprocess"]["height"] == 20);
  CHECK(description["training"]["options"]["batch"] == 8);

  CHECK(has(run({"inspect", "captcha", "--width", "99"}).err, "width 180 only"));
  CHECK(has(run({"inspect", "capcha"}).err, "no preset of that name"));
  CHECK(run({"inspect", "[1,20,60,1 Cq3,3,8 O1c]"}).status == 1);
}

TEST_CASE("synth: the same seed gives the same files on any number of threads") {
  const TemporaryFolder folder;
  const auto synth = [&](const std::string& name, const std::vector<std::string>& more) {
    return run(std::vector<std::string>{"synth", "expressions", "--output", (folder / name).string(),
                                        "--count", "12"} +
               more);
  };
  check_right(synth("a", {"--seed", "5", "--threads", "1"}));
  check_right(synth("b", {"--seed", "5", "--threads", "3"}));
  check_right(synth("c", {"--seed", "6", "--operators", "3"}));
  CHECK(lines_of(read_text(folder / "a/labels.tsv")).size() == 12);
  CHECK(read_text(folder / "a/labels.tsv") == read_text(folder / "b/labels.tsv"));
  CHECK(read_text(folder / "a/labels.tsv") != read_text(folder / "c/labels.tsv"));
  for (int i = 1; i <= 12; ++i) {
    const std::string name = fmt::format("images/{:06}.png", i);
    CHECK(read_text(folder / ("a/" + name)) == read_text(folder / ("b/" + name)));
  }
  for (const std::string& line : lines_of(read_text(folder / "c/labels.tsv"))) {
    const std::string text = line.substr(line.find('\t') + 1);
    CHECK(std::count_if(text.begin(), text.end(), [](char c) { return has("+-*", std::string(1, c)); }) == 3);
  }

  const Outcome again = synth("a", {});
  CHECK(again.status == 1);
  CHECK(has(again.err, "--force"));
  const Outcome forced = synth("a", {"--force", "--seed", "6", "--operators", "3", "--json"});
  check_right(forced);
  CHECK(json::parse(forced.out)["images"] == 12);
  CHECK(read_text(folder / "a/labels.tsv") == read_text(folder / "c/labels.tsv"));
  CHECK_FALSE(fs::exists(folder / "a/images.partial"));

  std::ofstream(folder / "a/images/mine.png") << "keep";
  const Outcome foreign = synth("a", {"--force"});
  CHECK(foreign.status == 1);
  CHECK(has(foreign.err, "mine.png"));
  CHECK(read_text(folder / "a/images/mine.png") == "keep");

  std::ofstream(folder / "file") << "x";
  CHECK(has(synth("file", {}).err, "is a file"));
  CHECK(synth("d", {"--operators", "9"}).status == 1);
  CHECK_FALSE(fs::exists(folder / "d"));
}

TEST_CASE("synth that is stopped leaves nothing behind") {
  const TemporaryFolder folder;
  RunningProgram program(
      {"synth", "expressions", "--output", (folder / "out").string(), "--count", "10000000"});
  REQUIRE(wait_until([&] { return fs::exists(folder / "out/images.partial/000001.png"); }));
  program.signal(SIGINT);
  CHECK(program.finish().status == 130);
  CHECK(fs::is_empty(folder / "out"));
}

TEST_CASE("train, and look at what it leaves") {
  check_right(trained().synth);
  check_right(trained().train);
  CHECK(has(trained().train.out, "best.safetensors"));
  CHECK(has(trained().train.err, "read exactly"));
  for (const char* name : {"best.safetensors", "last.safetensors", "log.jsonl", "curves.png"})
    CHECK(fs::file_size(fs::path(trained().output) / name) > 0);
  CHECK(json::parse(lines_of(read_text(trained().output + "/log.jsonl")).back())["step"] == 10);

  const Outcome again = run({"train", "--network", kNetwork, "--data", trained().data, "--steps", "1",
                             "--output", trained().output});
  CHECK(again.status == 1);
  CHECK(has(again.err, "--resume"));
}

TEST_CASE("train on rendered images, with defaults for the validation, as JSON") {
  const TemporaryFolder folder;
  const Outcome outcome =
      run({"train", "--network", kNetwork, "--data", "synth:expressions?seed=4", "--steps", "2", "--batch",
           "4", "--output", (folder / "run").string(), "--json"});
  check_right(outcome);
  CHECK(has(outcome.err, "validating on synth:expressions?seed=1000004&count=1000"));
  const json result = json::parse(outcome.out);
  CHECK(result["step"] == 2);
  CHECK(result["ended"] == "finished");
  CHECK(result["problems"].empty());
}

TEST_CASE("resume continues bit for bit") {
  const TemporaryFolder folder;
  const std::string whole = (folder / "whole").string(), parts = (folder / "parts").string();
  check_right(run(train_arguments(whole, "9")));
  check_right(run(train_arguments(parts, "3")));
  CHECK(read_text(parts + "/last.safetensors") != read_text(whole + "/last.safetensors"));
  check_right(run({"train", "--resume", "--output", parts, "--steps", "6"}));
  check_right(run(train_arguments(parts, "9") + std::vector<std::string>{"--resume"}));
  CHECK(read_text(parts + "/last.safetensors") == read_text(whole + "/last.safetensors"));
  CHECK(read_text(parts + "/best.safetensors") == read_text(whole + "/best.safetensors"));

  const Outcome other = run({"train", "--resume", "--output", parts, "--steps", "12", "--batch", "9"});
  CHECK(other.status == 1);
  CHECK(has(other.err, "batch is 9 now and was 8"));
  const Outcome none = run({"train", "--resume", "--output", (folder / "none").string(), "--steps", "12"});
  CHECK(none.status == 1);
  CHECK(has(none.err, "last.safetensors"));
}

TEST_CASE("Ctrl-C leaves a checkpoint, and a training that was stopped is the same in the end") {
  const TemporaryFolder folder;
  const std::string whole = (folder / "whole").string(), stopped = (folder / "stopped").string();
  RunningProgram program(train_arguments(stopped, "100000"));
  // The handler is there once a line has been logged.
  REQUIRE(wait_until([&] { return !read_text(stopped + "/log.jsonl").empty(); }));
  program.signal(SIGINT);
  program.signal(SIGTERM);  // as if a tool had sent it twice
  const Outcome outcome = program.finish();
  INFO(outcome.err);
  CHECK(outcome.status == 130);
  CHECK(has(outcome.err, "--resume"));
  const json model = json::parse(run({"inspect", stopped + "/last.safetensors", "--json"}).out);
  const auto step = model["training"]["state"]["step"].get<std::int64_t>();
  REQUIRE(step > 0);

  const std::string end = std::to_string((step / 3 + 2) * 3);
  check_right(run({"train", "--resume", "--output", stopped, "--steps", end}));
  check_right(run(train_arguments(whole, end)));
  CHECK(read_text(stopped + "/last.safetensors") == read_text(whole + "/last.safetensors"));
}

TEST_CASE("evaluate") {
  const TemporaryFolder folder;
  const std::string html = (folder / "sheet.html").string(), png = (folder / "sheet.png").string();
  const Outcome people =
      run({"evaluate", trained().model, "--data", trained().data, "--html", html, "--png", png});
  check_right(people);
  CHECK(has(people.out, "read exactly"));
  CHECK(has(people.out, "calibration error"));
  CHECK(has(people.out, "The worst mistakes"));
  CHECK(has(read_text(html), "data:image/png;base64,"));
  CHECK(read_text(png).starts_with("\x89PNG"));

  const Outcome machine =
      run({"evaluate", trained().model, "--data", trained().data, "--limit", "7", "--json"});
  check_right(machine);
  const json result = json::parse(machine.out);
  CHECK(result["images"] == 7);
  for (const char* name : {"exact", "cer", "ned", "confidence_right", "confidence_wrong"}) {
    CHECK(result[name] >= 0);
    CHECK(result.contains(name));
  }
  const auto images = [&](const std::vector<std::string>& more) {
    const Outcome some = run(std::vector<std::string>{"evaluate", trained().model, "--json"} + more);
    INFO(some.err);
    return json::parse(some.out)["images"].get<int>();
  };
  CHECK(images({"--data", trained().data + "#-5:"}) == 5);
  CHECK(images({"--data", "synth:expressions?seed=2&count=3"}) == 3);
  const int held_out = images({"--data", trained().data, "--split", "0.8:0.2"});
  CHECK(held_out > 0);
  CHECK(held_out < 30);

  const Outcome endless = run({"evaluate", trained().model, "--data", "synth:expressions"});
  CHECK(endless.status == 1);
  CHECK(has(endless.err, "count"));
}

TEST_CASE("recognize: files, folders, lists and a picture on the standard input give the same") {
  const Trained& t = trained();
  const Outcome folder = run({"recognize", t.model, t.data});
  check_right(folder);
  const auto lines = lines_of(folder.out);
  REQUIRE(lines.size() == 60);
  CHECK(lines[0].starts_with(t.image(1) + "\t"));
  CHECK(lines[59].starts_with(t.image(60) + "\t"));

  const Outcome files = run({"recognize", t.model, t.image(2), t.image(1), "--batch", "1", "--threads", "1"});
  CHECK(files.out == lines[1] + "\n" + lines[0] + "\n");
  const Outcome list = run({"recognize", t.model, "-"}, t.image(3) + "\r\n\n" + t.image(4));
  CHECK(list.out == lines[2] + "\n" + lines[3] + "\n");
  const Outcome image = run({"recognize", t.model, "-"}, t.image_bytes(5));
  check_right(image);
  CHECK(image.out == fmt::format("-{}\n", lines[4].substr(t.image(5).size())));
  const Outcome nothing = run({"recognize", t.model, "-"});
  CHECK(nothing.status == 1);
  CHECK(nothing.out.empty());
  CHECK(has(nothing.err, "the standard input is empty"));
}

TEST_CASE("results that cannot be written are an error") {
  const Outcome outcome = run({"devices", "--json", "--threads", "1"}, "", "/dev/full");
  CHECK(outcome.status == 1);
  CHECK(has(outcome.err, "tapeline: "));
}

TEST_CASE("recognize: formats") {
  const Trained& t = trained();
  const TemporaryFolder folder;
  const std::string odd = (folder / "a\tb,\"c\"\\\n.png").string();
  fs::copy_file(t.image(1), odd);
  const auto read = [&](const std::vector<std::string>& more) {
    const Outcome outcome = run(std::vector<std::string>{"recognize", t.model, odd} + more);
    check_right(outcome);
    return outcome.out;
  };
  const std::string base = folder.path().string();
  CHECK(read({}).starts_with(base + "/a\\tb,\"c\"\\\\\\n.png\t"));
  CHECK(lines_of(read({})).size() == 1);
  CHECK(read({"--format", "csv"})
            .starts_with("path,text,confidence\n\"" + base + "/a\tb,\"\"c\"\"\\\n.png\","));
  const json array = json::parse(read({"--format", "json", "--evaluate-expressions"}));
  REQUIRE(array.size() == 1);
  CHECK(array[0]["path"] == odd);
  CHECK(array[0]["confidence"] > 0);
  CHECK(array[0]["confidence"] <= 1);
  CHECK(array[0].contains("value"));
  std::string text;
  double end = 0;
  for (const json& character : array[0]["characters"]) {
    text += character["text"].get<std::string>();
    CHECK(character["begin"] >= end);
    CHECK(character["end"] > character["begin"]);
    end = character["end"];
  }
  CHECK(end <= 180.01);
  CHECK(array[0]["text"] == text);
  CHECK(json::parse(read({"--json"})).size() == 1);

  const std::string html = (folder / "sheet.html").string();
  read({"--html", html, "--png", (folder / "sheet.png").string()});
  CHECK(has(read_text(html), "data:image/png;base64,"));
}

TEST_CASE("recognize goes on past what cannot be read, and says so at the end") {
  const Trained& t = trained();
  const TemporaryFolder folder;
  std::ofstream(folder / "text.png") << "no picture";
  std::ofstream(folder / "cut.png") << t.image_bytes(1).substr(0, 200);
  fs::create_directory(folder / "empty");
  const Outcome outcome =
      run({"recognize", t.model, t.image(1), "/nowhere/a.png", (folder / "text.png").string(),
           (folder / "cut.png").string(), (folder / "empty").string(), t.image(2), "--format", "json"});
  CHECK(outcome.status == 1);
  CHECK(json::parse(outcome.out).size() == 2);
  for (const char* name : {"/nowhere/a.png", "text.png", "cut.png", "no images", "4 of 6 pictures"})
    CHECK(has(outcome.err, name));
  CHECK(run({"recognize", t.model, "-"}, "\x89PNG nothing more").status == 1);
}

TEST_CASE("bench and profile") {
  for (const std::string mode : {"train", "infer"}) {
    const Outcome bench = run({"bench", "--network", kNetwork, "--mode", mode, "--batch", "2", "--threads",
                               "1", "--steps", "3", "--json"});
    check_right(bench);
    const json result = json::parse(bench.out);
    CHECK(result["repetitions"] == 3);
    for (const char* name : {"median_ms", "p99_ms", "images_per_s", "peak_rss_mib", "cold_start_ms"})
      CHECK(result[name] > 0);
    CHECK(result["p99_ms"] >= result["median_ms"]);

    const Outcome profile = run({"profile", "--network", kNetwork, "--mode", mode, "--batch", "2", "--json"});
    check_right(profile);
    double share = 0;
    bool convolution = false, backward = false;
    const json kernels = json::parse(profile.out)["kernels"];
    for (const json& kernel : kernels) {
      share += kernel["share"].get<double>();
      convolution |= kernel["kernel"] == "conv2d_forward";
      backward |= kernel["kernel"] == "lstm_backward";
    }
    CHECK(share == doctest::Approx(1));
    CHECK(convolution);
    CHECK(backward == (mode == "train"));
  }
  const Outcome people = run({"bench", trained().model, "--batch", "1", "--steps", "2"});
  check_right(people);
  CHECK(has(people.out, "images/s"));
  CHECK(has(run({"profile", kAnyWidth, "--batch", "1", "--steps", "1", "--width", "50"}).out, "roofline"));
  CHECK(
      run({"bench", kAnyWidth, "--mode", "train", "--batch", "2", "--steps", "1", "--width", "37"}).status ==
      0);
}

TEST_CASE("bench: how fast the pictures come") {
  const Outcome machine =
      run({"bench", "--network", kNetwork, "--data", "synth:expressions?seed=3", "--batch", "4", "--steps",
           "5", "--threads", "2", "--augment", "light", "--json"});
  check_right(machine);
  const json result = json::parse(machine.out);
  CHECK(result["images"] == 20);
  CHECK(result["images_per_s"] > 0);
  const Outcome people =
      run({"bench", "captcha", "--data", "synth:expressions?seed=3&count=8", "--steps", "2"});
  check_right(people);
  CHECK(has(people.out, "images/s"));
  CHECK(has(run({"bench", "captcha", "--data", "no-such-folder"}).err, "no-such-folder"));
}

TEST_CASE("bench answers requests, and hands out what it computes with") {
  const TemporaryFolder folder;
  const std::string asked = "0 2\n0.001 1\n";
  for (const std::string mode : {"train", "infer"}) {
    const fs::path file = folder / (mode + ".safetensors");
    const Outcome outcome = run({"bench", "--network", kNetwork, "--mode", mode, "--batch", "2",
                                 "--on-request", "--dump", file.string()},
                                asked);
    check_right(outcome);
    std::vector<json> answers;
    for (const std::string& line : lines_of(outcome.out)) answers.push_back(json::parse(line));
    REQUIRE(answers.size() == 3);
    CHECK(answers[0]["ready"] == true);
    CHECK(answers[1]["repetitions"] == 2);
    for (const char* name : {"median_ms", "p10_ms", "p90_ms", "p99_ms", "peak_rss_mib"})
      CHECK(answers[2][name] > 0);

    const Safetensors dump = Safetensors::read(file);
    CHECK(dump.entry("input.images").shape[0] == 2);
    CHECK(dump.contains("output.weight"));
    CHECK(dump.contains("output.logits") == (mode == "infer"));
    CHECK(dump.contains("output.losses") == (mode == "train"));
    CHECK(dump.contains("input.label_lengths") == (mode == "train"));
  }
  for (const char* nonsense : {"x\n", "-1 2\n", "1 0\n", "1\n"}) {
    const Outcome outcome = run({"bench", "--network", kNetwork, "--batch", "1", "--on-request"}, nonsense);
    CHECK(outcome.status == 1);
    CHECK(has(outcome.err, "is no request"));
  }
}

TEST_CASE("wrong input: a message that names it, and exit status 1") {
  const Trained& t = trained();
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const auto check = [](const std::vector<std::string>& arguments, const std::string& words) {
    const Outcome outcome = run(arguments);
    INFO(fmt::format("{}\n{}", fmt::join(arguments, " "), outcome.err));
    CHECK(outcome.status == 1);
    CHECK(outcome.err.find("tapeline: ") != std::string::npos);
    CHECK(has(outcome.err, words));
    CHECK(outcome.out.empty());
  };
  const std::string model = read_text(t.model);
  std::ofstream(folder / "cut.safetensors") << model.substr(0, model.size() / 2);
  std::ofstream(folder / "short.safetensors") << model.substr(0, 5);
  std::ofstream(folder / "empty.safetensors");
  std::ofstream(folder / "file") << "x";
  const std::vector<std::string> train = {"train", "--data", t.data, "--steps", "1"};

  check({"recognize", path("none.safetensors"), t.image(1)}, "none.safetensors");
  for (const char* name : {"cut.safetensors", "short.safetensors", "empty.safetensors", "file"})
    check({"recognize", path(name), t.image(1)}, name);
  check({"recognize", t.image(1), t.image(1)}, "000001.png");
  check({"evaluate", t.model, "--data", path("nowhere")}, "nowhere");
  check({"evaluate", t.model, "--data", "synth:words"}, "expressions");
  check({"evaluate", t.model, "--data", "synth:expressions?sede=3"}, "sede");
  check({"evaluate", t.model, "--data", t.data, "--split", "half"}, "half");
  check({"evaluate", t.model, "--data", t.data + "#90:"}, "90");
  check({"evaluate", t.model, "--data", t.data, "--html", "/nowhere/sheet.html"}, "/nowhere");
  check({"bench", "captcha", "--device", "cdua"}, "cdua");
  check({"bench", "captcha", "--device", "cuda:99"}, "device");
  check(train + std::vector<std::string>{"--preset", "captch", "--output", path("a")}, "captcha-small");
  check(train + std::vector<std::string>{"--network", "[1,20,60,1 Zz O1c]", "--output", path("a")}, "Zz");
  check(train + std::vector<std::string>{"--network", kNetwork, "--output", path("file")}, "file");
  check(
      train + std::vector<std::string>{"--network", kNetwork, "--optimizer", "adamm", "--output", path("b")},
      "adamm");
  check(train + std::vector<std::string>{"--network", kNetwork, "--schedule", "cosin", "--output", path("c")},
        "cosin");
  check(train + std::vector<std::string>{"--network", kNetwork, "--augment", "much", "--output", path("d")},
        "much");
  check(train + std::vector<std::string>{"--network", kNetwork, "--epochs", "1", "--output", path("e")},
        "one of");
  check({"train", "--network", kNetwork, "--data", t.data, "--output", path("f")}, "--minutes");
  check(train + std::vector<std::string>{"--network", kNetwork, "--charset", "0123", "--strict", "--output",
                                         path("g")},
        "charset");
}

}  // namespace tapeline
