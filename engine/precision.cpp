#include "engine/precision.h"

#include "engine/error.h"

namespace tapeline {

Precision parse_precision(std::string_view text) {
  for (const Precision p : {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16})
    if (text == name_of(p)) return p;
  throw Error("there is no precision '{}'; choose fp32, tf32, bf16 or fp16", text);
}

}  // namespace tapeline
