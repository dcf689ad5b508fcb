#include "models/network/vgsl.h"

#include <cstdlib>

#include "engine/error.h"

namespace tapeline {

namespace {

constexpr float kDefaultSlope = 0.01f;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  NetworkSpec network() {
    NetworkSpec spec;
    spec.text = text_;
    skip_blanks();
    expect('[', "[batch,height,width,channels at its beginning, such as [1,60,180,1");
    integer("batch", 0, 1 << 20);
    expect(',', "batch,height,width,channels");
    spec.height = integer("height", 1, 4096);
    expect(',', "batch,height,width,channels");
    spec.width = integer("width", 0, 65535);
    expect(',', "batch,height,width,channels");
    spec.channels = integer("channels", 1, 3);
    if (spec.channels == 2) fail("1 (grey) or 3 (colour) channels");
    spec.layers = layers_until(']', 0);
    skip_blanks();
    if (at_ < text_.size()) fail("nothing after the closing ]");
    if (spec.layers.empty() || spec.layers.back().kind != LayerSpec::Kind::output)
      fail("O1c as the last layer");
    return spec;
  }

 private:
  using Kind = LayerSpec::Kind;

  [[noreturn]] void fail(std::string_view expected) const {
    throw Error("network \"{}\": at position {} ({}): expected {}", text_, at_ + 1,
                at_ < text_.size() ? fmt::format("\"{}\"", text_.substr(at_, 12)) : "the end", expected);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool accept(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void expect(char c, std::string_view expected) {
    if (!accept(c)) fail(expected);
  }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }
  bool at_digit() const { return peek() >= '0' && peek() <= '9'; }

  int integer(std::string_view what, int low, int high) {
    const std::size_t start = at_;
    std::int64_t value = 0;
    while (at_digit() && value <= high) value = value * 10 + (text_[at_++] - '0');
    if (at_ == start || value < low || value > high) {
      at_ = start;
      fail(fmt::format("{} between {} and {}", what, low, high));
    }
    return static_cast<int>(value);
  }

  float decimal(std::string_view what, float low, float high) {
    const std::size_t start = at_;
    double value = 0, place = 1;
    bool digits = false;
    for (; at_digit(); digits = true) value = value * 10 + (text_[at_++] - '0');
    if (accept('.'))
      for (; at_digit(); digits = true) value += (place /= 10) * (text_[at_++] - '0');
    if (!digits || value < low || value > high) {
      at_ = start;
      fail(fmt::format("{} between {} and {}", what, low, high));
    }
    return static_cast<float>(value);
  }

  std::vector<LayerSpec> layers_until(char close, int depth) {
    if (depth > 8) fail("at most 8 levels of brackets");
    std::vector<LayerSpec> layers;
    for (skip_blanks(); !accept(close); skip_blanks()) {
      if (!layers.empty() && layers.back().kind == Kind::output)
        fail(fmt::format("{} after the output layer", close));
      if (++count_ > 1000) fail("at most 1000 layers");
      const std::size_t start = at_;
      layers.push_back(layer(depth));
      layers.back().text = text_.substr(start, at_ - start);
    }
    return layers;
  }

  LayerSpec layer(int depth) {
    if (accept('(')) return group(Kind::parallel, ')', depth);
    if (accept('[')) return group(Kind::series, ']', depth);
    if (accept("Mp")) return max_pool();
    if (accept('C')) return convolution();
    if (accept("Bnp")) return batch_norm(true);
    if (accept("Bn")) return batch_norm(false);
    if (accept('A')) return activation();
    if (accept("Do")) return dropout();
    if (accept('L')) return lstm();
    if (accept("S1(1x0)1,3")) return of_kind(Kind::columns);
    if (accept('S')) fail("S1(1x0)1,3, the only reshape there is");
    if (accept("O1c")) return output(depth);
    if (accept('O')) fail("O1c, the only output there is");
    if (accept('I')) return of_kind(Kind::identity);
    fail("a layer: C, Mp, Bn, A, L, S, Do, I, O, ( or [");
  }

  static LayerSpec of_kind(Kind kind) {
    LayerSpec spec;
    spec.kind = kind;
    return spec;
  }

  LayerSpec group(Kind kind, char close, int depth) {
    LayerSpec spec = of_kind(kind);
    spec.children = layers_until(close, depth + 1);
    if (spec.children.empty()) fail("at least one layer between the brackets");
    return spec;
  }

  void window(LayerSpec& spec) {
    spec.height = integer("window height", 1, 255);
    expect(',', "height,width of the window");
    spec.width = integer("window width", 1, 255);
  }

  LayerSpec convolution() {
    LayerSpec spec = of_kind(Kind::convolution);
    spec.valid = accept('v');
    spec.activation = activation_of(false);
    window(spec);
    expect(',', "height,width,outputs");
    spec.depth = integer("outputs", 1, 65536);
    if (accept(',')) {
      spec.stride_h = integer("vertical stride", 1, 255);
      expect(',', "vertical,horizontal stride");
      spec.stride_w = integer("horizontal stride", 1, 255);
    }
    if (accept(',')) {
      spec.dilation_h = integer("vertical dilation", 1, 255);
      expect(',', "vertical,horizontal dilation");
      spec.dilation_w = integer("horizontal dilation", 1, 255);
    }
    return spec;
  }

  LayerSpec max_pool() {
    LayerSpec spec = of_kind(Kind::max_pool);
    spec.valid = accept('v');
    window(spec);
    if (spec.height * spec.width > 255) fail("a pooling window of at most 255 elements");
    spec.stride_h = spec.height;
    spec.stride_w = spec.width;
    if (accept(',')) {
      spec.stride_h = integer("vertical stride", 1, 255);
      expect(',', "vertical,horizontal stride");
      spec.stride_w = integer("horizontal stride", 1, 255);
    }
    return spec;
  }

  LayerSpec batch_norm(bool plain) {
    LayerSpec spec = of_kind(Kind::batch_norm);
    spec.plain = plain;
    return spec;
  }

  Activation activation_of(bool alone) {
    if (!alone && accept('l')) return {};
    if (accept('r')) return {ActivationKind::relu, 0};
    if (accept('s')) return {ActivationKind::sigmoid, 0};
    if (accept('t')) return {ActivationKind::tanh, 0};
    if (!alone && accept('a')) return {ActivationKind::leaky_relu, kDefaultSlope};
    if (alone && accept('6')) return {ActivationKind::relu6, 0};
    if (alone && accept('l')) {
      const bool given = at_digit() || peek() == '.';
      return {ActivationKind::leaky_relu, given ? decimal("slope", 1e-6f, 1) : kDefaultSlope};
    }
    fail(alone ? "an activation: r, 6, l, s or t" : "an activation: l (none), r, a (leaky), s or t");
  }

  LayerSpec activation() {
    LayerSpec spec = of_kind(Kind::activation);
    spec.activation = activation_of(true);
    return spec;
  }

  LayerSpec dropout() {
    LayerSpec spec = of_kind(Kind::dropout);
    if (at_digit() || peek() == '.') spec.rate = decimal("rate", 0, 0.99f);
    return spec;
  }

  LayerSpec lstm() {
    LayerSpec spec = of_kind(Kind::lstm);
    if (accept('r'))
      spec.forward = false, spec.reverse = true;
    else if (accept('b'))
      spec.reverse = true;
    else
      expect('f', "a direction: f, r or b");
    expect('x', "x: an LSTM along the width is the only one there is");
    spec.sum = accept('+');
    spec.depth = integer("units", 1, 65536);
    return spec;
  }

  LayerSpec output(int depth) {
    if (depth > 0) fail("the output layer outside all brackets");
    LayerSpec spec = of_kind(Kind::output);
    if (at_digit()) spec.depth = integer("classes", 2, 65536);
    if (accept('z')) spec.zero_inputs = integer("features whose weights start at zero", 1, 1 << 20);
    return spec;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int count_ = 0;
};

}  // namespace

NetworkSpec parse_vgsl(std::string_view text) {
  if (text.size() > 65536)
    throw Error("network: the text is {} bytes long, at most 65536 are read", text.size());
  return Parser(text).network();
}

}  // namespace tapeline
