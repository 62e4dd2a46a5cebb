#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/onnx_model.hpp"

/// Values in which the classes of a row come in the order that they have in others.
namespace p2p::model {

/// Entry i: which axis of a value holds axis i of the probabilities, of which the last is that of
/// the classes.
using AxisOrder = std::vector<std::int64_t>;

/// `probabilities`, of `rank` axes, and the values that it is made of by nothing but operators that
/// cannot change which class of a row is the largest: copies, increasing functions, a softmax or a
/// norm of rows, other orders of the axes, and a number for each row that is added to all classes
/// or, where it is not negative, multiplies or divides them. O(nodes).
std::unordered_map<std::string, AxisOrder> values_of_same_order(const OnnxModel& model,
                                                                const std::string& probabilities,
                                                                std::int64_t rank);

}  // namespace p2p::model
