#pragma once

// What can be done to a recorded list of kernels before it runs. Each pass keeps every result that somebody
// can still read, bit for bit; fold_batch_norm alone changes their rounding.

#include <unordered_set>
#include <vector>

#include "engine/frozen_weights.h"
#include "engine/kernels/kernel.h"

namespace tapeline {

/// Storages of a program (those without a place) that are held by more than its kernels: their contents will
/// be read.
std::unordered_set<const Storage*> find_kept(const std::vector<Kernel>& kernels);

/// Removes kernels all of whose results belong to the program and are neither kept nor read by a later
/// kernel.
void drop_dead_work(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept);

/// Gives an ActivationForward to the convolution, product or normalisation before it, where nobody else reads
/// what lies between the two.
void fuse_activations(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept);

/// Joins a BatchNormTraining with the max pooling right behind it, and their two ways back, where the windows
/// do not overlap and nobody else reads what lies between: that is then neither written nor kept.
void fuse_pooling(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept);

/// Takes the derivative of an activation behind the max pooling that follows it, where the windows do not
/// overlap: the values that won are what the pooling gave, so that the gradient is multiplied before it is
/// spread over the windows, on a quarter of the elements for 2x2, and what went into the pooling need not be
/// kept.
void derive_behind_pooling(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept);

/// Gives a BatchNormInference, its activation included, to the convolution or product right before it, as
/// another weight and bias (FrozenWeights::fold), where nobody else reads what lies between the two. Where
/// the normalisation has widths, a MaskColumns takes its place. Only f32, and only weights and statistics
/// that come from outside and that the program does not write.
void fold_batch_norm(std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept,
                     FrozenWeights& weights);

struct MemoryPlan {
  std::size_t arena_bytes = 0;     // with sharing
  std::size_t unshared_bytes = 0;  // the sum of all
};

/// Sets the offset of every storage of the program so that two whose lifetimes (first to last kernel that
/// touches them; all of it and beyond for kept ones) overlap never share a byte. But what a kernel writes
/// takes the place of what it reads for the last time, where the kernel allows that. Offsets are multiples of
/// 256. Greedy by size, first fit.
MemoryPlan plan_memory(const std::vector<Kernel>& kernels, const std::unordered_set<const Storage*>& kept);

}  // namespace tapeline
