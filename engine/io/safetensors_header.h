#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "engine/io/safetensors.h"

namespace tapeline {

/// The element types of the format that exist here.
inline constexpr std::array<std::pair<std::string_view, DType>, 6> kSafetensorsTypes{{{"F32", DType::f32},
                                                                                      {"F64", DType::f64},
                                                                                      {"F16", DType::f16},
                                                                                      {"BF16", DType::bf16},
                                                                                      {"I32", DType::i32},
                                                                                      {"U8", DType::u8}}};

/// Reads the JSON header of `file` as it goes, without a tree, so that memory is bounded by the header's own
/// size. Throws when it is not JSON, not of the form in safetensors.h, or holds a name twice. Offsets are not
/// looked at.
void read_safetensors_header(std::string_view header, const std::string& file,
                             std::map<std::string, std::string>& metadata,
                             std::map<std::string, Safetensors::Entry>& entries);

}  // namespace tapeline
