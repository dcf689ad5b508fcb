#pragma once

// stb_image and stb_image_write with the settings of this project; stb.cpp holds their code.

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 65535
#define STBI_WRITE_NO_STDIO

#include <stb/stb_image.h>
#include <stb/stb_image_write.h>

#include <cstddef>

namespace tapeline {

/// While it lives, nothing larger than this is allocated for stb on this thread; otherwise 1 GiB.
class StbLimit {
 public:
  explicit StbLimit(std::size_t largest);
  ~StbLimit();
  StbLimit(const StbLimit&) = delete;
  StbLimit& operator=(const StbLimit&) = delete;
};

}  // namespace tapeline
