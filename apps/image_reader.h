#pragma once

// Decodes pictures in worker threads, ahead of whoever reads them, and hands them out in order.

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "apps/image_paths.h"
#include "models/image/image.h"

namespace tapeline {

struct ReadImage {
  std::string path;
  Image image;
  std::string error;  // why there is no image
};

/// What decode_image() does, of a file's bytes and its name, on any thread.
using ImageDecoder = std::function<Image(std::span<const std::byte>, std::string_view)>;

class ImageReader {
 public:
  /// `threads` 0: one a core. At most `ahead` pictures wait to be taken, fewer where they are large.
  ImageReader(PathSource paths, ImageDecoder decode, int threads, std::size_t ahead);
  ImageReader(const ImageReader&) = delete;
  ImageReader& operator=(const ImageReader&) = delete;

  /// The next pictures: `most`, fewer where they are large together (kMostPixels) or the last; none at the
  /// end.
  std::vector<ReadImage> next(std::size_t most);

  static constexpr std::size_t kMostPixels = std::size_t{64} << 20;

 private:
  ReadImage read(ImagePath from) const;
  void work(std::stop_token stop);
  void read_images(std::stop_token stop);
  std::optional<ReadImage> take_one();

  PathSource paths_;
  ImageDecoder decode_;
  std::size_t ahead_;
  std::mutex source_;  // one worker at a time asks for a path
  std::mutex mutex_;   // guards what follows
  std::condition_variable_any room_, ready_;
  std::map<std::size_t, ReadImage> images_;
  std::size_t next_path_ = 0, next_out_ = 0;
  std::size_t pixels_ = 0;  // of images_
  bool ended_ = false;
  std::exception_ptr failure_;         // of a worker: no picture can come any more
  std::vector<std::jthread> workers_;  // last: they end before what they use
};

}  // namespace tapeline
