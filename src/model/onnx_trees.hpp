#pragma once

#include <cstdint>
#include <string>

#include "model/onnx_model.hpp"
#include "p2p/correct.hpp"

/// Tree ensembles (ai.onnx.ml.TreeEnsembleClassifier). Their attributes are read: O(leaves).
namespace p2p::model {

/// How far sums of rows of probabilities may be from 1.
inline constexpr double kSumTolerance = 1e-4;

enum class TreeScores : std::uint8_t {
  kUnknown,
  kEach,           ///< numbers from 0 to 1, of each class by itself
  kProbabilities,  ///< rows that sum to 1
};

/// What the second output of the node holds.
TreeScores tree_scores(const OnnxModel& model, const OnnxNode& node);

/// Why delta added to the base values is not the same as reweighting the probabilities within
/// 1e-7; empty when it is: a softmax of more than two classes, each with a base value, over sums
/// below kLargestTreeSum, which float32 holds so closely. `offset` null: of zeros.
std::string why_no_base_values(const OnnxModel& model, const OnnxNode& node,
                               const LogOffset* offset);
inline constexpr double kLargestTreeSum = 4;

/// The message of the node with delta in its base values, and the largest rounding error.
std::string with_base_values(const OnnxModel& model, const OnnxNode& node, const LogOffset& offset,
                             double& rounding);

}  // namespace p2p::model
