#pragma once

#include <ATen/core/Tensor.h>

#include "learn/process_group.hpp"

namespace p2p::learn {

/// Batch norm whose moments are those of the batches of all processes together, forward and
/// backward, as one process with the joined batch computes them. x float [N, channels, h, w].
/// Two all-reduces of 2 * channels numbers.
at::Tensor shared_batch_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                             const at::Tensor& running_mean, const at::Tensor& running_var,
                             double momentum, double epsilon, const ProcessGroup& group);

}  // namespace p2p::learn
