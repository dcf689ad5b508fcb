#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/network_choice.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "backends/registry.h"
#include "models/network/geometry.h"

namespace tapeline {

namespace {

struct InspectArguments {
  NetworkChoice choice;
  int width = 0;
  bool json = false;
};

std::vector<int> extents(const Extent& e) {
  return e.sequence ? std::vector<int>{e.width, e.channels} : std::vector<int>{e.height, e.width, e.channels};
}

std::string shape(const Extent& e) {
  return e.sequence ? fmt::format("{} frames x {}", e.width, e.channels)
                    : fmt::format("{} x {} x {}", e.height, e.width, e.channels);
}

/// The width to look at: what was asked for, the network's own, or, where it takes any, three times its
/// height.
int width_of(const NetworkSpec& spec, int asked) {
  if (spec.width && asked && asked != spec.width)
    throw Error("--width {}: this network takes images of width {} only; pictures are resized to that", asked,
                spec.width);
  return asked ? asked : spec.width ? spec.width : 3 * spec.height;
}

nlohmann::json to_json(const NetworkSpec& spec, const NetworkGeometry& geometry, int width, int classes) {
  nlohmann::json json{{"network", spec.text},
                      {"input", {spec.height, width, spec.channels}},
                      {"any_width", spec.width == 0},
                      {"classes", classes},
                      {"parameters", geometry.parameters()},
                      {"multiply_adds", geometry.multiply_adds()},
                      {"frames", geometry.frames(width)},
                      {"layers", nlohmann::json::array()}};
  for (const LayerGeometry& layer : geometry.layers)
    json["layers"].push_back({{"layer", layer.spec->text},
                              {"output", extents(layer.out)},
                              {"parameters", layer.parameters},
                              {"multiply_adds", layer.multiply_adds}});
  return json;
}

std::string to_text(const NetworkSpec& spec, const NetworkGeometry& geometry, int width, int classes) {
  Table table({"layer", "output", "parameters", "multiply-adds"});
  const Extent input{spec.height, width, spec.channels, false};
  table.add({"input", shape(input), "", ""});
  for (const LayerGeometry& layer : geometry.layers)
    table.add({layer.spec->text, shape(layer.out), layer.parameters ? with_commas(layer.parameters) : "",
               layer.multiply_adds ? with_commas(layer.multiply_adds) : ""});
  table.add({"total", "", with_commas(geometry.parameters()), with_commas(geometry.multiply_adds())});
  return fmt::format("{}\n\n{}\n{} frames for an image {} wide{}, {} classes\n", spec.text, table.text(),
                     geometry.frames(width), width,
                     spec.width == 0 ? " (any width is taken; see --width)" : "", classes);
}

/// One line for each value: `training.options.batch  64`.
void list_values(const std::string& name, const nlohmann::json& json, Table& table) {
  if (json.is_object())
    for (const auto& [key, value] : json.items()) list_values(name + "." + key, value, table);
  else
    table.add({name, json.is_string() ? json.get<std::string>() : json.dump()});
}

void print_model(const Model& model) {
  const Preprocess& p = model.preprocess;
  Table table({"the model", ""});
  table.add({"charset", fmt::format("{} characters: {}", model.charset.size(), model.charset.to_string())});
  table.add(
      {"preprocessing",
       fmt::format(
           "height {}, width {}, {}, {}", p.height,
           p.width ? std::to_string(p.width) : fmt::format("as the picture's (at most {})", p.max_width),
           p.channels == 1 ? "grey" : "RGB",
           p.normalise == Normalise::per_image ? "mean 0 and deviation 1 of each image" : "0 to 1")});
  list_values("metrics", model.metrics, table);
  list_values("training", model.training, table);
  fmt::print("\n{}", table.text());
}

int run(const InspectArguments& arguments) {
  arguments.choice.check();
  const auto vgsl = arguments.choice.text();
  std::optional<Model> model;
  if (!vgsl) model = arguments.choice.open(open_device("cpu", {.threads = 1}));
  const NetworkSpec spec = vgsl ? parse_vgsl(*vgsl) : model->spec();
  const int classes = model ? model->charset.classes() : Charset(arguments.choice.charset).classes();
  const int width = width_of(spec, arguments.width);
  const NetworkGeometry geometry = trace(spec, width, classes);
  if (arguments.json) {
    nlohmann::json json = to_json(spec, geometry, width, classes);
    if (model) {
      json["charset"] = model->charset.to_string();
      json["preprocess"] = to_json(model->preprocess);
      json["metrics"] = model->metrics;
      json["training"] = model->training;
    }
    fmt::print("{}\n", json.dump(2));
    return 0;
  }
  fmt::print("{}", to_text(spec, geometry, width, classes));
  if (model) print_model(*model);
  return 0;
}

}  // namespace

std::function<int()> define_inspect(Arguments& arguments) {
  auto given = std::make_shared<InspectArguments>();
  given->choice.declare(arguments);
  arguments.option("--width", given->width,
                   "Width of an image, in the network's pixels; 0: the network's own, or 3 times its height",
                   0, 1 << 20);
  arguments.flag("--json", given->json, "One JSON object, for programs");
  arguments.examples(
      "  tapeline inspect runs/demo/best.safetensors\n"
      "  tapeline inspect captcha\n"
      "  tapeline inspect --network '[1,32,0,1 Cr3,3,32 Mp2,2 S1(1x0)1,3 Lbx64 O1c]' --width 200");
  return [given] { return run(*given); };
}

}  // namespace tapeline
