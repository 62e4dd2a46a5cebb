#include "model/onnx_trees.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/element.hpp"
#include "model/fold.hpp"
#include "model/onnx_class_labels.hpp"
#include "model/onnx_edit.hpp"

namespace p2p::model {
namespace {

std::vector<float> floats_of(const OnnxModel& model, const OnnxNode& node, const char* key) {
  const auto found = model.attribute(node, key);
  return found ? found->floats : std::vector<float>{};
}

// Numbers that are floats, or since version 3 of the operator a tensor of doubles.
std::vector<double> numbers_of(const OnnxModel& model, const OnnxNode& node, const char* key) {
  const std::vector<float> floats = floats_of(model, node, key);
  if (!floats.empty()) return {floats.begin(), floats.end()};
  const auto found = model.attribute(node, std::string(key) + "_as_tensor");
  const auto dtype = found && found->tensor ? score_type(found->tensor->type) : std::nullopt;
  if (!dtype || found->tensor->elements() < 0) return {};
  const std::string bytes = tensor_bytes(model, *found->tensor);
  std::vector<double> numbers(bytes.size() / item_size(*dtype));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = load_element(bytes.data(), *dtype, static_cast<std::int64_t>(i));
  }
  return numbers;
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
  std::vector<double> weights;
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
          ints_of(model, node, "class_ids"), numbers_of(model, node, "class_weights")};
}

// What one leaf adds to a row, over all its entries.
struct LeafSum {
  std::int64_t tree = 0;
  std::int64_t node = 0;
  double sum = 0;
  bool operator<(const LeafSum& other) const {
    return std::pair(tree, node) < std::pair(other.tree, other.node);
  }
  [[nodiscard]] bool is_leaf_of(const LeafSum& other) const {
    return tree == other.tree && node == other.node;
  }
};

// In order of trees and nodes.
std::vector<LeafSum> leaf_sums(const Leaves& leaves) {
  std::vector<LeafSum> entries(leaves.weights.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = {leaves.trees[i], leaves.nodes[i], leaves.weights[i]};
  }
  std::ranges::stable_sort(entries, std::less<>{});
  std::vector<LeafSum> sums;
  for (const LeafSum& entry : entries) {
    if (sums.empty() || !sums.back().is_leaf_of(entry)) {
      sums.push_back(entry);
    } else {
      sums.back().sum += entry.sum;
    }
  }
  return sums;
}

// What the trees add to a row, at least and at most.
struct Reach {
  double least = 0;
  double most = 0;
};

Reach reach_of(const std::vector<LeafSum>& sums) {
  Reach all;
  for (std::size_t i = 0; i < sums.size();) {
    Reach tree{sums[i].sum, sums[i].sum};
    for (const std::int64_t id = sums[i].tree; i < sums.size() && sums[i].tree == id; ++i) {
      tree.least = std::min(tree.least, sums[i].sum);
      tree.most = std::max(tree.most, sums[i].sum);
    }
    all.least += tree.least;
    all.most += tree.most;
  }
  return all;
}

// Every tree is binary, so this many of its nodes are leaves.
bool is_every_leaf(const OnnxModel& model, const OnnxNode& node, std::size_t leaves) {
  std::vector<std::int64_t> trees = ints_of(model, node, "nodes_treeids");
  const std::size_t nodes = trees.size();
  std::ranges::sort(trees);
  trees.erase(std::unique(trees.begin(), trees.end()), trees.end());
  return 2 * leaves == nodes + trees.size();
}

// Leaves that hold shares of the classes, or of the second of two, as those of forests do.
bool leaves_hold_shares(const OnnxModel& model, const OnnxNode& node, const Leaves& leaves,
                        bool of_second) {
  const std::vector<double> base = numbers_of(model, node, "base_values");
  if (!leaves.fit() || std::ranges::any_of(base, [](double b) { return b != 0; })) return false;
  if (std::ranges::any_of(leaves.weights, [](double w) { return !(w >= 0); })) return false;
  const std::vector<LeafSum> sums = leaf_sums(leaves);
  const Reach reach = reach_of(sums);
  if (of_second) return reach.most <= 1 + kSumTolerance;
  return std::abs(reach.least - 1) <= kSumTolerance && std::abs(reach.most - 1) <= kSumTolerance &&
         is_every_leaf(model, node, sums.size());
}

// Whether some tree adds to the second class in all of its leaves: of two classes, runtimes take a
// row for scored by one number where nothing is added to the second.
bool second_class_always_scored(const OnnxModel& model, const OnnxNode& node,
                                const Leaves& leaves) {
  std::map<std::int64_t, std::set<std::int64_t>> scoring;  // leaves, by tree
  for (std::size_t i = 0; leaves.fit() && i < leaves.classes.size(); ++i) {
    if (leaves.classes[i] == 1) scoring[leaves.trees[i]].insert(leaves.nodes[i]);
  }
  std::map<std::int64_t, std::size_t> nodes;
  for (const std::int64_t tree : ints_of(model, node, "nodes_treeids")) ++nodes[tree];
  return std::ranges::any_of(
      scoring, [&](const auto& tree) { return 2 * tree.second.size() == nodes[tree.first] + 1; });
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
    const Reach reach = reach_of(leaf_sums(by_class[c]));
    largest = std::max({largest, std::abs(start + reach.least), std::abs(start + reach.most)});
  }
  return largest;
}

}  // namespace

TreeScores tree_scores(const OnnxModel& model, const OnnxNode& node) {
  const std::string transform = transform_of(model, node);
  const std::size_t classes = class_labels(model, node).size();
  if (classes < 2) return TreeScores::kUnknown;
  const Leaves leaves = leaves_of(model, node);
  const std::size_t bases = numbers_of(model, node, "base_values").size();
  // One number s a row: 1 - s and s, or sigmoid(-s) and sigmoid(s).
  const bool of_second =
      classes == 2 && leaves.fit() && leaves.of_one_class() && leaves.classes[0] == 0 && bases < 2;
  const bool each = classes > 2 || (leaves.fit() && !leaves.of_one_class() &&
                                    second_class_always_scored(model, node, leaves));
  if (transform == "LOGISTIC") {
    return of_second ? TreeScores::kProbabilities : each ? TreeScores::kEach : TreeScores::kUnknown;
  }
  if (transform == "SOFTMAX" || transform == "SOFTMAX_ZERO") {
    return each ? TreeScores::kProbabilities : TreeScores::kUnknown;
  }
  // Two base values put -s and s in place of the scores of two classes.
  const bool plain = of_second || (each && (classes > 2 || bases < 2));
  return transform == "NONE" && plain && leaves_hold_shares(model, node, leaves, of_second)
             ? TreeScores::kProbabilities
             : TreeScores::kUnknown;
}

std::string why_no_base_values(const OnnxModel& model, const OnnxNode& node,
                               const LogOffset* offset) {
  const std::size_t classes = class_labels(model, node).size();
  if (transform_of(model, node) != "SOFTMAX" || classes < 3) {
    return fmt::format("{} makes its probabilities without a softmax of more than two classes",
                       node.words());
  }
  const std::vector<float> base = floats_of(model, node, "base_values");
  const Leaves leaves = leaves_of(model, node);
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
