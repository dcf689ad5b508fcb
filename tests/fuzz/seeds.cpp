#include "tests/fuzz/seeds.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/io/safetensors_digests.h"

namespace tapeline {

namespace {

std::string with_header(std::string header, std::size_t data) {
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + std::string(data, '\x3f');
}

std::string checkpoint() {
  const nlohmann::json options{{"network", "[1,20,60,1 Cl3,3,4 O1c]"},
                               {"charset", ""},
                               {"data", "d"},
                               {"validate", "v"},
                               {"batch", 4},
                               {"seed", 1},
                               {"optimizer", "adam"},
                               {"learning_rate", .1},
                               {"schedule", "constant"},
                               {"decay", ""},
                               {"clip", 0},
                               {"augment", "none"}};
  const nlohmann::json length{
      {"steps", 9}, {"epochs", 0}, {"minutes", 0}, {"evaluate_every", 3}, {"patience", 0}};
  const nlohmann::json preprocess{
      {"channels", 1}, {"height", 20}, {"max_width", 2048}, {"normalise", "per_image"}, {"width", 60}};
  const nlohmann::json state{
      {"step", 6}, {"best_exact", .5}, {"best_cer", .25}, {"best_step", 3}, {"stale", 1}};
  const nlohmann::json training{{"options", options},
                                {"length", length},
                                {"state", state},
                                {"skipped_steps", {2, 4}},
                                {"loss_scale", {{"value", 65536.0}, {"steady", 4}}}};
  constexpr std::size_t kParameters = 160;  // at least as many as the network's
  const nlohmann::json header{
      {"__metadata__",
       {{"tapeline", "1"},
        {"network", "[1,20,60,1 Cl3,3,4,2,2 Bn Ar Mp10,2 S1(1x0)1,3 Lfx2 O1c]"},
        {"charset", "0123"},
        {"preprocess", preprocess.dump()},
        {"decoder", R"({"type":"best_path"})"},
        {"metrics", "{}"},
        {"training", training.dump()}}},
      {"a", {{"dtype", "F32"}, {"shape", {kParameters}}, {"data_offsets", {0, 4 * kParameters}}}}};
  return with_header(header.dump(), 4 * kParameters);
}

/// Every kind of file that is read, of tests/models/pictures.
std::vector<std::string> pictures() {
  std::vector<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator(TAPELINE_PICTURES)) {
    std::ifstream file(entry.path(), std::ios::binary);
    result.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::string tar_member(const std::string& name, const std::string& content, char type = '0') {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  const auto octal = [](std::size_t value) {
    std::string text;
    for (int i = 0; i < 11; ++i, value >>= 3) text.insert(text.begin(), static_cast<char>('0' + (value & 7)));
    return text;
  };
  put(0, name.substr(0, 100));
  put(124, octal(content.size()));
  put(156, std::string(1, type));
  put(257, std::string("ustar\00000", 8));
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, octal(sum).substr(5) + '\0');
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

}  // namespace

std::vector<std::string> fuzz_seeds(std::string_view target) {
  if (target == "charset") return {"0123+-*()", "aé日\U0001F600"};
  if (target == "checkpoint") return {checkpoint()};
  if (target == "data")
    return {"expressions?seed=7&operators=2-3&count=20", "expressions?count=9&width=60&height=20#2:-3"};
  if (target == "labels" || target == "list")
    return {"1.png\t1+2\r\n2.png\ta b\n",
            "\xEF\xBB\xBF"
            "../x.png\tx\n/etc/passwd y\n",
            "eins\nzwei\n"};
  if (target == "network")
    return {"[1,20,60,1 Cl3,3,4,2,2 Bn Ar Mp2,2 S1(1x0)1,3 Lfx6 O1c]",
            "[1,30,0,3 Cvr3,3,8,2,1,1,1 Bnp A6 Mpv3,1 Al.2 S1(1x0)1,3 (Lb x+4 I [Lrx3 Do.2]) O1c9z4]",
            "[1,20,60,1 S1(1x0)1,3 (Lbx+4 I [Lrx3 Do.2]) O1c20z4]"};
  if (target == "options")
    return {"strong,rotate=5",
            "onecycle:max=5e-3,warmup=.06",
            "sgd:momentum=.9,nesterov",
            "*.weight=1e-4",
            "-400:",
            "0.8:0.2",
            "exponential:rate=.98,every=10000,staircase",
            "step:at=30/60"};
  if (target == "picture") return pictures();
  if (target == "safetensors") {
    std::string sealed = R"({"__metadata__":{"digest.header":")" + std::string(kNoDigest) +
                         R"(","digest.tensors":"{}","k":"v"}})";
    sealed.resize((sealed.size() + 7) / 8 * 8, ' ');
    seal_header(sealed);
    return {
        with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[],)"
                    R"("data_offsets":[8,9]},"__metadata__":{"k":"v"}})",
                    9),
        with_header(sealed, 0)};
  }
  if (target == "tar")
    return {tar_member("labels.tsv", "1.png\tx\n") + tar_member("1.png", "abc") + std::string(1024, '\0'),
            tar_member("x", "20 path=long/name.png\n", 'x') + tar_member("y", "1") +
                tar_member("././@LongLink", std::string(120, 'n'), 'L') + tar_member("z", "2"),
            tar_member("x", "9 size=3\n11 mtime=1\n", 'x') + tar_member("labels.txt", "a b") +
                tar_member("old", "12", '\0')};
  return {};
}

}  // namespace tapeline
