#include <doctest/doctest.h>

#include <string>

#include "engine/error.h"
#include "models/network/geometry.h"
#include "models/network/presets.h"
#include "models/network/vgsl.h"
#include "tests/errors.h"

namespace tapeline {

namespace {

std::string error_of_network(std::string_view text) {
  return error_of([&] { trace(parse_vgsl(text), 100, 11); });
}

}  // namespace

TEST_CASE("vgsl: every layer with all it can say") {
  const NetworkSpec spec = parse_vgsl(
      "[1,48,0,3 Cvt3,5,16,2,1,1,2 Bnp Al.2 Mp3,2,2,1 Do.25 S1(1x0)1,3 (Lbx+64 [Lrx8 I]) O1c40z64]");
  CHECK(spec.height == 48);
  CHECK(spec.width == 0);
  CHECK(spec.channels == 3);
  REQUIRE(spec.layers.size() == 8);
  const LayerSpec& conv = spec.layers[0];
  CHECK(conv.text == "Cvt3,5,16,2,1,1,2");
  CHECK((conv.valid && conv.height == 3 && conv.width == 5 && conv.depth == 16));
  CHECK((conv.stride_h == 2 && conv.stride_w == 1 && conv.dilation_h == 1 && conv.dilation_w == 2));
  CHECK(conv.activation.kind == ActivationKind::tanh);
  CHECK(spec.layers[1].plain);
  CHECK(spec.layers[2].activation == Activation{ActivationKind::leaky_relu, 0.2f});
  CHECK((spec.layers[3].height == 3 && spec.layers[3].stride_h == 2 && spec.layers[3].stride_w == 1));
  CHECK(spec.layers[4].rate == 0.25f);
  CHECK(spec.layers[6].children.size() == 2);
  CHECK(spec.layers[6].children[0].sum);
  CHECK((!spec.layers[6].children[1].children[0].forward && spec.layers[6].children[1].children[0].reverse));
  CHECK((spec.layers[7].depth == 40 && spec.layers[7].zero_inputs == 64));
}

TEST_CASE("vgsl: what is wrong is named, with its place") {
  CHECK(error_of_network("") ==
        "network \"\": at position 1 (the end): expected [batch,height,width,channels at its beginning, such "
        "as "
        "[1,60,180,1");
  for (const char* text : {"[1,48,0,1",
                           "[1,48,0,1]",
                           "[1,48,0,2 O1c]",
                           "[1,0,0,1 O1c]",
                           "[1,48,0,1 Lfx8]",
                           "[1,48,0,1 Cx3,3,8 O1c]",
                           "[1,48,0,1 Cr3,3 O1c]",
                           "[1,48,0,1 Cr0,3,8 O1c]",
                           "[1,48,0,1 Cr3,3,99999999999999999999 O1c]",
                           "[1,48,0,1 Mp16,16 O1c]",
                           "[1,48,0,1 Lfy8 O1c]",
                           "[1,48,0,1 S2(1x0)1,3 O1c]",
                           "[1,48,0,1 Do2 O1c]",
                           "[1,48,0,1 O1c1]",
                           "[1,48,0,1 O1c] x",
                           "[1,48,0,1 O1c O1c]",
                           "[1,48,0,1 (O1c) O1c]",
                           "[1,48,0,1 () O1c]",
                           "[1,48,0,1 ((((((((((I)))))))))) O1c]",
                           "[1,48,0,1 Q O1c]"}) {
    CAPTURE(text);
    const std::string error = error_of_network(text);
    CHECK(error.find("at position") != std::string::npos);
  }
}

TEST_CASE("geometry: layers that do not fit together are named") {
  for (const char* text :
       {"[1,48,0,1 O1c]", "[1,48,0,1 Lfx8 O1c]", "[1,8,0,1 Cvr9,3,8 S1(1x0)1,3 O1c]",
        "[1,8,0,1 S1(1x0)1,3 Cr3,3,8 O1c]", "[1,8,0,1 S1(1x0)1,3 Mp2,2 O1c]", "[1,8,0,1 S1(1x0)1,3 O1c12]",
        "[1,8,0,1 S1(1x0)1,3 (Lfx8 Mp2,2) O1c]", "[1,8,0,1 (I Mp2,2) S1(1x0)1,3 O1c]",
        "[1,8,0,1 Cvr1,2,8 Mp1,2 S1(1x0)1,3 O1c]", "[1,8,0,1 S1(1x0)1,3 O1cz9]",
        "[1,8,0,1 Cr255,255,65536 Cr255,255,65536 S1(1x0)1,3 O1c]",
        "[1,4096,0,1 Cr1,1,65536 S1(1x0)1,3 O1c]"}) {
    CAPTURE(text);
    CHECK(error_of_network(text).find("layer ") != std::string::npos);
  }
}

TEST_CASE("geometry: the presets are what they claim") {
  const NetworkSpec captcha = parse_vgsl(find_preset("captcha").network);
  const NetworkGeometry g = trace(captcha, 0, 16);
  CHECK(g.frames(180) == 12);
  CHECK(g.layers.back().out.channels == 16);
  // 60 -> 30 -> 15 -> 8 -> 4 rows of 64 channels make 256 features.
  CHECK(g.layers[g.layers.size() - 6].out.channels == 256);

  const NetworkSpec body = parse_vgsl(find_preset("crnn-body").network);
  const NetworkGeometry b = trace(body, 0, 37);
  CHECK(b.frames(100) == 24);
  CHECK(b.multiply_adds() == doctest::Approx(0.693e9).epsilon(0.001));

  const NetworkSpec small = parse_vgsl(find_preset("captcha-small").network);
  const NetworkGeometry s = trace(small, 0, 16);
  CHECK(s.frames(90) == 45);
  CHECK(s.multiply_adds() == doctest::Approx(10.4e6).epsilon(0.02));
  CHECK_THROWS_WITH_AS(find_preset("x"),
                       "there is no preset \"x\"; there are: captcha, captcha-small, crnn-body", Error);
}

TEST_CASE("geometry: own widths shrink as the layers do") {
  const NetworkSpec spec = parse_vgsl("[1,8,0,1 Cr3,3,4,1,2 Mp2,2 Cvr1,2,4 S1(1x0)1,3 O1c]");
  const NetworkGeometry g = trace(spec, 64, 5);
  CHECK(g.width_multiple == 4);
  const auto widths = g.widths({64, 9, 4, 1});
  REQUIRE(widths.size() == 4);
  CHECK(widths[1] == std::vector<std::int32_t>{32, 5, 2, 1});
  CHECK(widths[2] == std::vector<std::int32_t>{16, 3, 1, 1});
  CHECK(widths[3] == std::vector<std::int32_t>{15, 2, 0, 0});
  CHECK(g.frames(64) == 15);
}

}  // namespace tapeline
