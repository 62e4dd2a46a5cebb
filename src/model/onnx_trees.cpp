#include "model/onnx_trees.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "model/fold.hpp"
#include "model/onnx_class_labels.hpp"
#include "model/onnx_edit.hpp"

namespace p2p::model {
namespace {

constexpr double kSumTolerance = 1e-4;

using Leaf = std::pair<std::int64_t, std::int64_t>;  // tree, node

std::vector<float> floats_of(const OnnxModel& model, const OnnxNode& node, const char* key) {
  const auto found = model.attribute(node, key);
  return found ? found->floats : std::vector<float>{};
}

std::vector<std::int64_t> ints_of(const OnnxModel& model, const OnnxNode& node, const char* key) {
  const auto found = model.attribute(node, key);
  return found ? found->ints : std::vector<std::int64_t>{};
}

std::string transform_of(const OnnxModel& model, const OnnxNode& node) {
  const auto found = model.attribute(node, "post_transform");
  return found ? found->s : "NONE";
}

// The weights that leaves add to the scores of classes.
struct Leaves {
  std::vector<std::int64_t> trees, nodes, classes;
  std::vector<float> weights;
  [[nodiscard]] bool fit() const {
    const std::size_t count = weights.size();
    return count > 0 && trees.size() == count && nodes.size() == count && classes.size() == count;
  }
  [[nodiscard]] bool of_one_class() const {
    return std::ranges::all_of(classes, [&](std::int64_t c) { return c == classes.front(); });
  }
};

Leaves leaves_of(const OnnxModel& model, const OnnxNode& node) {
  return {ints_of(model, node, "class_treeids"), ints_of(model, node, "class_nodeids"),
          ints_of(model, node, "class_ids"), floats_of(model, node, "class_weights")};
}

// What the trees add to a row, at least and at most.
struct Reach {
  double least = 0;
  double most = 0;
};

Reach reach_of_leaf_sums(const Leaves& leaves) {
  std::map<Leaf, double> sums;
  for (std::size_t i = 0; i < leaves.weights.size(); ++i) {
    sums[{leaves.trees[i], leaves.nodes[i]}] += double{leaves.weights[i]};
  }
  std::map<std::int64_t, Reach> trees;
  for (const auto& [leaf, sum] : sums) {
    const auto [tree, fresh] = trees.try_emplace(leaf.first, Reach{sum, sum});
    if (fresh) continue;
    tree->second.least = std::min(tree->second.least, sum);
    tree->second.most = std::max(tree->second.most, sum);
  }
  Reach all;
  for (const auto& [tree, reach] : trees) {
    all.least += reach.least;
    all.most += reach.most;
  }
  return all;
}

// Every tree is binary, so this many of its nodes are leaves.
bool every_leaf_has_weights(const OnnxModel& model, const OnnxNode& node, const Leaves& leaves) {
  const std::vector<std::int64_t> trees = ints_of(model, node, "nodes_treeids");
  std::set<Leaf> weighted;
  for (std::size_t i = 0; i < leaves.weights.size(); ++i) {
    weighted.emplace(leaves.trees[i], leaves.nodes[i]);
  }
  const std::set<std::int64_t> different(trees.begin(), trees.end());
  return 2 * weighted.size() == trees.size() + different.size();
}

// Leaves that hold shares of the classes, as those of forests do.
bool leaves_hold_shares(const OnnxModel& model, const OnnxNode& node, std::size_t classes) {
  const Leaves leaves = leaves_of(model, node);
  const std::vector<float> base = floats_of(model, node, "base_values");
  if (!leaves.fit() || std::ranges::any_of(base, [](float b) { return b != 0; })) return false;
  if (std::ranges::any_of(leaves.weights, [](float w) { return !(w >= 0); })) return false;
  const Reach reach = reach_of_leaf_sums(leaves);
  if (classes == 2 && leaves.of_one_class()) return reach.most <= 1 + kSumTolerance;
  return std::abs(reach.least - 1) <= kSumTolerance && std::abs(reach.most - 1) <= kSumTolerance &&
         every_leaf_has_weights(model, node, leaves);
}

// Largest |score| of a class before the softmax, whatever the row.
double largest_sum(const Leaves& leaves, const std::vector<float>& base, const LogOffset* offset) {
  std::vector<Leaves> by_class(base.size());
  for (std::size_t i = 0; i < leaves.weights.size(); ++i) {
    const auto c = static_cast<std::size_t>(leaves.classes[i]);
    if (c >= by_class.size()) continue;
    by_class[c].trees.push_back(leaves.trees[i]);
    by_class[c].nodes.push_back(leaves.nodes[i]);
    by_class[c].weights.push_back(leaves.weights[i]);
  }
  double largest = 0;
  for (std::size_t c = 0; c < base.size(); ++c) {
    const double start = double{base[c]} + (offset == nullptr ? 0 : offset->delta[c]);
    if (std::isinf(start)) continue;
    const Reach reach = reach_of_leaf_sums(by_class[c]);
    largest = std::max({largest, std::abs(start + reach.least), std::abs(start + reach.most)});
  }
  return largest;
}

}  // namespace

TreeScores tree_scores(const OnnxModel& model, const OnnxNode& node) {
  const std::string transform = transform_of(model, node);
  const std::size_t classes = class_labels(model, node).size();
  if (classes < 2) return TreeScores::kUnknown;
  if (transform == "SOFTMAX" || transform == "SOFTMAX_ZERO") return TreeScores::kProbabilities;
  if (transform == "LOGISTIC") {
    // Two classes whose leaves know one of them get p and 1 - p.
    const Leaves leaves = leaves_of(model, node);
    return classes == 2 && leaves.fit() && leaves.of_one_class() ? TreeScores::kProbabilities
                                                                 : TreeScores::kEach;
  }
  return transform == "NONE" && leaves_hold_shares(model, node, classes)
             ? TreeScores::kProbabilities
             : TreeScores::kUnknown;
}

std::string why_no_base_values(const OnnxModel& model, const OnnxNode& node,
                               const LogOffset* offset) {
  const std::size_t classes = class_labels(model, node).size();
  const std::vector<float> base = floats_of(model, node, "base_values");
  const Leaves leaves = leaves_of(model, node);
  if (transform_of(model, node) != "SOFTMAX" || classes < 3) {
    return fmt::format("{} makes its probabilities without a softmax of more than two classes",
                       node.words());
  }
  if (base.size() != classes || !leaves.fit()) {
    return fmt::format("{} has no base value for each class", node.words());
  }
  if (offset != nullptr && offset->delta.size() != classes) return "";  // refused elsewhere
  const double reached = largest_sum(leaves, base, offset);
  if (reached >= kLargestTreeSum) {
    return fmt::format("the sums of {} reach {:.3g}, which float32 rounds too coarsely",
                       node.words(), reached);
  }
  return "";
}

std::string with_base_values(const OnnxModel& model, const OnnxNode& node, const LogOffset& offset,
                             double& rounding) {
  const std::vector<float> base = floats_of(model, node, "base_values");
  const Rounded folded = fold_bias(base.data(), DType::kF32, offset);
  rounding = std::max(rounding, folded.rounding);
  return with_attribute(model, node, "base_values",
                        floats_attribute("base_values", as_floats(folded)));
}

}  // namespace p2p::model
