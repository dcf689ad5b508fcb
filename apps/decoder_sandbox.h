#pragma once

// Decodes each picture in a process of its own, which can do nothing but compute in the memory that it is
// given. Whatever a hostile picture makes of its decoder, it gets no further than pixels, and to no other
// picture.

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "models/image/image_io.h"

namespace tapeline {

class DecoderSandbox {
 public:
  /// decode_image(), or in tests something that behaves badly.
  using Decode = Image (*)(std::span<const std::byte> bytes, std::string_view name, int channels,
                           const ImageLimits& limits);

  /// Starts `keepers` processes, each of which starts a decoder for one picture at a time. They are copies of
  /// this process, so it must have no second thread yet, and should hold little. Throws Error where the
  /// system has no such thing (it is written for Linux on x86-64 and arm64), or refuses it.
  explicit DecoderSandbox(int keepers, const ImageLimits& limits = {}, Decode decode = decode_image);
  ~DecoderSandbox();
  DecoderSandbox(const DecoderSandbox&) = delete;
  DecoderSandbox& operator=(const DecoderSandbox&) = delete;

  /// As decode_image(); and an Error where the decoder crashes, takes more than 20 seconds of processor time
  /// or more memory than decoding_memory(), or tries to do anything else. On any thread: waits for a keeper.
  Image decode(std::span<const std::byte> bytes, std::string_view name);

 private:
  struct Keeper {
    int process, socket, memory;
  };
  class Lease;
  void start_keeper(Decode decode);
  void stop_keepers();

  ImageLimits limits_;
  std::vector<Keeper> keepers_, free_;
  std::mutex mutex_;  // guards free_
  std::condition_variable freed_;
};

}  // namespace tapeline
