#pragma once

#include <cstdint>
#include <string_view>

namespace tapeline {

/// The value of an arithmetic expression such as `(3-7)+5`, in 64-bit integers:
///
///   sum     = product { ("+" | "-") product }
///   product = operand { "*" operand }
///   operand = digits | "(" sum ")"
///
/// There are no signs, so what was misread as `3--5` is no expression. Spaces between the parts are skipped.
/// Throws Error, which names the column (counted from 1), for anything else, for brackets nested deeper than
/// 64, and for a value that does not fit.
std::int64_t evaluate_expression(std::string_view expression);

}  // namespace tapeline
