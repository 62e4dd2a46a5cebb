#pragma once

#include <cstdint>

#include "p2p/types.hpp"

namespace p2p {

/// Element i of an array of `dtype` (f16, bf16, f32, f64) as a double. O(1); for messages and small
/// checks.
double load_element(const void* data, DType dtype, std::int64_t i) noexcept;

}  // namespace p2p
