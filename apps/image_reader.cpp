#include "apps/image_reader.h"

#include "models/data/check_dataset.h"
#include "models/image/image_io.h"

namespace tapeline {

namespace {

std::size_t pixels_of(const ReadImage& read) { return read.image.pixels.size(); }

}  // namespace

ImageReader::ImageReader(PathSource paths, ImageDecoder decode, int threads, std::size_t ahead)
    : paths_(std::move(paths)), decode_(std::move(decode)), ahead_(ahead) {
  if (threads <= 0) threads = available_threads();
  for (int t = 0; t < threads; ++t) workers_.emplace_back([this](std::stop_token stop) { work(stop); });
}

ReadImage ImageReader::read(ImagePath from) const {
  ReadImage result{std::move(from.path), {}, std::move(from.problem)};
  if (!result.error.empty()) return result;
  try {
    result.image = decode_(read_image_bytes(result.path), result.path);
  } catch (const std::exception& error) {
    result.error = error.what();
  }
  return result;
}

void ImageReader::work(std::stop_token stop) {
  try {
    read_images(std::move(stop));
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    ended_ = true;
    ready_.notify_all();
    room_.notify_all();
  }
}

void ImageReader::read_images(std::stop_token stop) {
  while (true) {
    std::size_t number = 0;
    std::optional<ImagePath> path;
    {
      const std::lock_guard one_at_a_time(source_);
      std::unique_lock lock(mutex_);
      // The picture that is next to be taken may always come in, however large the others are.
      const auto has_room = [this] {
        return ended_ || next_path_ == next_out_ ||
               (next_path_ - next_out_ < ahead_ && pixels_ < kMostPixels);
      };
      if (!room_.wait(lock, stop, has_room) || ended_) return;
      lock.unlock();
      path = paths_();
      lock.lock();
      if (!path) {
        ended_ = true;
        ready_.notify_all();
        room_.notify_all();
        return;
      }
      number = next_path_++;
    }
    ReadImage image = read(std::move(*path));
    const std::lock_guard lock(mutex_);
    pixels_ += pixels_of(image);
    images_.emplace(number, std::move(image));
    ready_.notify_all();
  }
}

std::optional<ReadImage> ImageReader::take_one() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [this] {
    return images_.contains(next_out_) || failure_ || (ended_ && next_out_ == next_path_);
  });
  if (failure_) std::rethrow_exception(failure_);
  if (const auto found = images_.find(next_out_); found != images_.end()) {
    ReadImage image = std::move(found->second);
    images_.erase(found);
    pixels_ -= pixels_of(image);
    ++next_out_;
    room_.notify_all();
    return image;
  }
  return std::nullopt;
}

std::vector<ReadImage> ImageReader::next(std::size_t most) {
  std::vector<ReadImage> images;
  for (std::size_t pixels = 0; images.size() < most && pixels < kMostPixels;) {
    std::optional<ReadImage> image = take_one();
    if (!image) break;
    pixels += pixels_of(*image);
    images.push_back(std::move(*image));
  }
  return images;
}

}  // namespace tapeline
