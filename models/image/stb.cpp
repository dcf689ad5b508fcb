// The one place where the code of stb is compiled. Its memory is limited, so that a small file that inflates
// without end fails as if memory had run out, and zeroed, because some of its tables are used before they are
// filled when a file is damaged. A failed assertion is an Error.

#include <cstddef>
#include <cstdlib>

#include "engine/error.h"

namespace {

constexpr std::size_t kMaxAllocation = std::size_t{1} << 30;

void* limited_malloc(std::size_t size) { return size > kMaxAllocation ? nullptr : std::calloc(1, size); }

void* limited_realloc(void* old, std::size_t size) {
  return size > kMaxAllocation ? nullptr : std::realloc(old, size);
}

}  // namespace

#define STBI_MALLOC(size) limited_malloc(size)
#define STBI_REALLOC(old, size) limited_realloc(old, size)
#define STBI_FREE(old) std::free(old)
#define STBI_ASSERT(condition)        \
  ((condition) ? static_cast<void>(0) \
               : throw tapeline::Error("damaged image file: {} is not true", #condition))

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-function"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include "models/image/stb.h"
