// The one place where the code of stb is compiled. Its memory is limited, so that a small file that inflates
// without end fails as if memory had run out, and zeroed, because some of its tables are used before they are
// filled when a file is damaged. A failed assertion is an Error.

#include <cstddef>
#include <cstdlib>

#include "engine/error.h"

namespace {

constexpr std::size_t kMostOfAll = std::size_t{1} << 30;
thread_local std::size_t most = kMostOfAll;

void* limited_malloc(std::size_t size) { return size > most ? nullptr : std::calloc(1, size); }

void* limited_realloc(void* old, std::size_t size) { return size > most ? nullptr : std::realloc(old, size); }

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

namespace tapeline {

StbLimit::StbLimit(std::size_t largest) { most = largest < kMostOfAll ? largest : kMostOfAll; }
StbLimit::~StbLimit() { most = kMostOfAll; }

}  // namespace tapeline
