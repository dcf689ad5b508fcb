#include "models/network/presets.h"

#include <string>

#include "engine/error.h"

namespace tapeline {

namespace {

constexpr Preset kPresets[] = {
    {"captcha", "arithmetic captchas, 60x180: four convolutions, two LSTMs of 128",
     "[1,60,180,1 Cl3,3,64 Bn Al.01 Mp2,2 Cl3,3,128 Bn Al.01 Mp2,2 Cl3,3,128 Bn Al.01 Mp2,2 Cl3,3,64 Bn "
     "Al.01 Mp2,2 "
     "S1(1x0)1,3 Lfx128 Do.2 Lfx128 Do.2 O1c]",
     64, "adam", 1e-3, "exponential:rate=.98,every=10000"},
    // The last convolution takes the two rows that are left to one, and the output sees the frames past the
    // LSTM, whose own weights start at zero: together they end CTC's all-blank plateau early.
    {"captcha-small",
     "the same in minutes on two cores, 30x90: strided convolutions, one LSTM of 64 in both directions",
     "[1,30,90,1 Cl5,5,16,2,2 Bn Al.1 Cl3,3,32,2,1 Bn Al.1 Cl3,3,48,2,1 Bn Al.1 Cl3,3,64,2,1 Bn Al.1 "
     "Cvl2,1,64 Bn Al.1 S1(1x0)1,3 (Lbx64 I) O1cz128]",
     16, "adamw", 5e-3, "onecycle:warmup=.06", "*=.01", 1},
    {"crnn-body",
     "the CRNN of Shi et al. (2015) on grey 32x100 words: seven convolutions, two LSTMs of 256 in both "
     "directions",
     "[1,32,100,1 Cr3,3,64 Mp2,2 Cr3,3,128 Mp2,2 Cl3,3,256 Bn Ar Cr3,3,256 Mp2,1 Cl3,3,512 Bn Ar Cr3,3,512 "
     "Mp2,1 "
     "Cvl2,2,512 Bn Ar S1(1x0)1,3 Lbx256 Lbx256 O1c]"},
};

}  // namespace

std::span<const Preset> presets() { return kPresets; }

const Preset& find_preset(std::string_view name) {
  std::string known;
  for (const Preset& preset : kPresets) {
    if (preset.name == name) return preset;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", preset.name);
  }
  throw Error("there is no preset \"{}\"; there are: {}", name, known);
}

}  // namespace tapeline
