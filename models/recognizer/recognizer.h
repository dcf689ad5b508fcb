#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/program.h"
#include "models/data/batch.h"
#include "models/recognizer/batch_input.h"
#include "models/recognizer/decode.h"
#include "models/recognizer/model.h"

namespace tapeline {

struct ReadCharacter {
  std::string text;          // one character, UTF-8
  float confidence = 0;      // mean probability over its frames
  float begin = 0, end = 0;  // where in the picture, in its own pixels from the left
};

struct Reading {
  std::string text;
  double confidence = 0;  // probability of exactly this text, summed over its alignments
  std::vector<ReadCharacter> characters;
  bool finite = true;  // false: the network's output for the picture is not, and nothing was read
};

/// Reads pictures. A picture gets the same reading alone and in any company. One thread at a time.
class Recognizer {
 public:
  /// Keeps a reference: the model must outlive it, and its weights must stay as they are from the first
  /// reading to refresh().
  explicit Recognizer(const Model& model) : model_(&model) {}
  Recognizer(Recognizer&&) = delete;
  /// Takes the weights as they are from the next reading on: to be called when the model has been trained on.
  void refresh();
  const Model& model() const { return *model_; }
  /// For a network that rounds factors to fp16, of which the largest is 65504: where it says what is not
  /// finite, `in_fp32` is called, once, for the same model on a device in fp32, which reads those pictures
  /// again and all that follow.
  void when_not_finite(std::function<Model()> in_fp32) { in_fp32_ = std::move(in_fp32); }

  /// Any sizes and channels; one reading for each picture, in order. `batch` pictures go through the network
  /// at a time.
  std::vector<Reading> read(std::span<const Image> images, int batch = 32);
  /// Pictures that have been prepared already; its width is a multiple of width_multiple(). Characters are
  /// placed in the network's pixels.
  std::vector<Reading> read(const Batch& batch);
  /// What the network says of such pictures, [N, frames, classes], not normalised. Its values are good until
  /// the next call.
  Tensor logits(const Batch& batch);

  /// Widths of batches are multiples of it, so that few programs are recorded for pictures of any width.
  int width_multiple() const;

 private:
  /// Inference recorded for one batch size and width.
  struct Recorded {
    BatchInput input;
    Tensor logits;
    Program program;
    std::uint64_t last_used = 0;
  };
  Recorded& recorded(int batch, int width);
  std::vector<Reading> read(const Batch& batch, std::span<const int> source_widths);
  Reading to_reading(std::span<const float> logits, int source_width) const;

  const Model* model_;
  std::function<Model()> in_fp32_;
  std::optional<Model> instead_;
  FrozenWeights weights_;
  std::map<std::pair<int, int>, Recorded> programs_;
  std::uint64_t clock_ = 0;
};

}  // namespace tapeline
