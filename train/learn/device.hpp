#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace p2p::learn {

/// cpu; cuda: the GPU of number `local_rank`; auto: cuda where there is one. Error{kUsage}: another
/// name; no GPU, or a LibTorch without CUDA.
at::Device choose_device(std::string_view name, int local_rank);

}  // namespace p2p::learn
