#pragma once

// A data set is a numbered row of images with their texts: files, parts of other sets, or pictures that are
// rendered when they are asked for. `open_dataset` makes one from what a person writes behind --data.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/image/image.h"

namespace tapeline {

struct Sample {
  std::string name;  // the file as its list names it
  std::string text;  // UTF-8
  Image image;
};

/// A sample, or a line of a list, that cannot be used, and why.
struct Problem {
  std::string name, why;

  bool operator==(const Problem&) const = default;
};

/// All functions are pure and may be called from several threads at once.
class Dataset {
 public:
  static constexpr std::size_t kEndless = std::numeric_limits<std::size_t>::max();

  virtual ~Dataset() = default;

  /// Number of samples; kEndless for a rendered set without a count.
  virtual std::size_t size() const = 0;
  bool endless() const { return size() == kEndless; }

  /// The functions below take an index < size().
  virtual std::string name(std::size_t index) const = 0;
  virtual std::string text(std::size_t index) const = 0;

  /// Reads or renders a sample with 1 (grey) or 3 (RGB) channels. Throws Error, which names the file, where
  /// it is missing or cannot be decoded.
  virtual Sample load(std::size_t index, int channels) const = 0;

  /// A hash of what the image holds, not of its name or place; equal images have equal hashes. Errors as
  /// load().
  virtual std::uint64_t content_hash(std::size_t index) const = 0;

  /// Whether the images are made when they are asked for, so that none of them can be unreadable.
  virtual bool rendered() const { return false; }

  /// Lines of the list and files of the folder that gave no sample.
  virtual const std::vector<Problem>& problems() const;
};

using DatasetPtr = std::shared_ptr<const Dataset>;

/// Opens what --data names:
///
///   synth:expressions?seed=7&operators=3   rendered as they are needed, endless; `&count=2000` ends it
///   FOLDER   with labels.tsv               `path<TAB>text` a line, paths relative to the folder
///            with labels.txt               line i, counted from 1, is the text of i.png, .jpg, .jpeg, .bmp,
///                                          .pgm or .ppm
///            or of images                  `label.png`; `id_label.png`: the label follows the last
///            underscore
///   FILE.tar with labels.tsv, labels.txt or images, anywhere in it; read in place
///   LIST     any other file                `path<TAB>text` or `path text` a line, paths relative to its
///   folder
///
/// What a labels.tsv names lies within its folder or tar; a LIST may name any path.
///
/// Any of them may end in `#FROM:TO`, a range of the samples in their order, counted from 0, TO not included;
/// either may be left out, and a negative number counts from the end: `PATH#-400:` is the last 400. Text
/// files are UTF-8 without control characters but tabs; a byte-order mark, CRLF and empty lines are
/// tolerated. Files of a folder come in natural order (9.png before 10.png), lists in their own.
///
/// Throws Error for what cannot be opened, for an unknown option, and for a set without any sample. Single
/// bad lines are put in problems(); `strict` throws at the first.
DatasetPtr open_dataset(std::string_view spec, bool strict = false);

}  // namespace tapeline
