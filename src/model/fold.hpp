#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "p2p/correct.hpp"
#include "p2p/types.hpp"

namespace p2p::model {

/// Numbers as they are stored, little-endian, and how far rounding moved them.
struct Rounded {
  std::string bytes;
  double rounding = 0;  ///< largest |stored - exact|; infinite where one was beyond the type
};

/// Class c's factor on z: scale_c / T.
double factor(const LogOffset& offset, std::int64_t c);
/// Every factor is 1.
bool only_shifts(const LogOffset& offset);
/// The same factor for all classes.
bool has_one_factor(const LogOffset& offset);

/// bias' = factor * bias + delta / divisor, from `classes` stored elements of `dtype` (null:
/// zeros), each rounded once. An element that takes no offset and factor 1 keeps its bits.
/// `divisor` is what the layer multiplies its bias with (Gemm's beta).
Rounded fold_bias(const void* bias, DType dtype, const LogOffset& offset, double divisor = 1);

/// Elements [first, first + count) of a weight [C, d] (`class_last`: [d, C]) times the factor of
/// their class, each rounded once.
Rounded scale_weights(const void* weights, DType dtype, std::int64_t first, std::int64_t count,
                      std::int64_t columns, bool class_last, const LogOffset& offset);

/// `values` in `dtype`, each rounded once.
Rounded stored(const std::vector<double>& values, DType dtype);

/// Numbers that are stored as float32.
std::vector<float> as_floats(const Rounded& rounded);

}  // namespace p2p::model
