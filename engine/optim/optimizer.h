#pragma once

// An optimiser moves all parameters of a network with one kernel for each group of them. Every number that
// changes from step to step (learning rate, bias correction) lies in device memory, so a recorded step can be
// replayed:
//
//   optimizer.prepare(step, schedule.at(step, total));   // host: uploads three floats
//   loss.backward(); optimizer.step();                   // device: eager, or inside record()

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/nn/parameter.h"

namespace tapeline {

enum class OptimizerKind : std::uint8_t { sgd, adam, adamw, rmsprop, adadelta };

/// What a method is and its constants; for the formulas see engine/kernels/optimizer.h.
struct OptimizerMethod {
  OptimizerKind kind = OptimizerKind::adam;
  float momentum = 0;                  // sgd, rmsprop
  bool nesterov = false;               // sgd
  float beta1 = 0.9f, beta2 = 0.999f;  // adam, adamw
  float decay = 0.9f;                  // rmsprop, adadelta
  float epsilon = 1e-8f;               // all but sgd
};

/// Reads
///   sgd:momentum=0,nesterov
///   adam:beta1=.9,beta2=.999,epsilon=1e-8     (adamw: the same, its weight decay decoupled)
///   rmsprop:decay=.99,momentum=0,epsilon=1e-8
///   adadelta:decay=.9,epsilon=1e-6
/// where what is left out is as here (without the flag: no Nesterov momentum). Throws, listing what there is,
/// on another name or option, and on a value out of range.
OptimizerMethod parse_optimizer(std::string_view text);

/// Weight decay for the parameters whose names match: `*` stands for any characters, `?` for one.
struct DecayRule {
  std::string pattern;  // "*.weight"
  float decay = 0;
};

/// Reads "*.weight=1e-4,head.*=0"; nothing is no rule. Throws unless each is a pattern and a number >= 0.
std::vector<DecayRule> parse_decay_rules(std::string_view text);

/// Whether the whole of `name` matches `pattern`.
bool matches(std::string_view pattern, std::string_view name);

class Optimizer {
 public:
  /// Takes the parameters that want a gradient. Of the rules the first that matches holds; where none does,
  /// nothing decays. clip_norm > 0: gradients are scaled down so that their norm, over all parameters, is at
  /// most that. scales_loss: backward() starts from loss * loss_scale(), so that gradients that are kept in
  /// few bits do not vanish, and the update divides by it again. With either, an update whose gradients are
  /// not finite is left out. Throws when there is nothing to train, a parameter is not f32 or lies on another
  /// device, a rule matches no parameter, clip_norm is negative, and inside record().
  Optimizer(const std::vector<NamedTensor>& parameters, const OptimizerMethod& method,
            const std::vector<DecayRule>& rules = {}, float clip_norm = 0, bool scales_loss = false);

  /// Uploads what the next step() or replay needs. Steps count from 0. Throws when step < 0.
  void prepare(std::int64_t step, double learning_rate, double loss_scale = 1) const;
  /// Submits the update of every parameter. Throws, naming it, when one has no gradient.
  void step() const;
  /// Forgets all gradients. Every step begins with it, a recorded one too: gradients add up.
  void zero_grad() const;

  /// f32 []: norm of all gradients, of the loss as it is, before clipping at the last step; undefined without
  /// clipping and scaling.
  const Tensor& gradient_norm() const { return norm_; }
  /// f32 []: what prepare() was given; undefined unless the loss is scaled.
  const Tensor& loss_scale() const { return loss_scale_; }
  /// Adds the moments to the buffers, as `prefix.first.conv1.weight` and `prefix.second...`: with them and
  /// the parameters a training goes on as if it had never stopped.
  void collect(const std::string& prefix, State& state) const;

 private:
  struct Slot {
    NamedTensor parameter;
    Tensor first, second;  // moments; undefined where the method has none
  };
  struct Group {
    float weight_decay = 0;
    std::vector<Slot> slots;
  };
  OptimizerMethod method_;
  std::vector<Group> groups_;
  float clip_norm_ = 0;
  Tensor hyper_, norm_, scale_, loss_scale_;
};

}  // namespace tapeline
