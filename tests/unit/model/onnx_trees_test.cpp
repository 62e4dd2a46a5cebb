#include "model/onnx_trees.hpp"

#include <gmock/gmock.h>

#include "unit/model/onnx_testing.hpp"

namespace p2p::model {
namespace {

using test::ModelFile;
using test::Parts;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;

/// Trees of one split each; entries of leaves as (tree, node, class, weight).
struct Trees {
  struct Entry {
    std::int64_t tree, node, of;
    float weight;
  };
  std::int64_t count = 1;
  std::int64_t classes = 3;
  std::vector<Entry> entries = {};
  std::vector<float> base = {};
  std::string transform = "NONE";

  [[nodiscard]] Parts parts() const {
    std::vector<std::int64_t> trees, nodes, leaves_trees, leaves_nodes, ids, labels;
    std::vector<float> weights;
    for (std::int64_t i = 0; i < 3 * count; ++i) {
      trees.push_back(i / 3);
      nodes.push_back(i % 3);
    }
    for (const Entry& entry : entries) {
      leaves_trees.push_back(entry.tree);
      leaves_nodes.push_back(entry.node);
      ids.push_back(entry.of);
      weights.push_back(entry.weight);
    }
    for (std::int64_t c = 0; c < classes; ++c) labels.push_back(c);
    std::string node = bytes_field(1, "x") + bytes_field(2, "label") + bytes_field(2, "p") +
                       bytes_field(3, "trees") + bytes_field(4, "TreeEnsembleClassifier") +
                       bytes_field(7, "ai.onnx.ml");
    for (const std::string& attribute :
         {integers_attribute("nodes_treeids", trees), integers_attribute("nodes_nodeids", nodes),
          integers_attribute("class_treeids", leaves_trees),
          integers_attribute("class_nodeids", leaves_nodes), integers_attribute("class_ids", ids),
          integers_attribute("classlabels_int64s", labels),
          floats_attribute("class_weights", weights),
          test::string_attribute("post_transform", transform)}) {
      node += bytes_field(5, attribute);
    }
    if (!base.empty()) node += bytes_field(5, floats_attribute("base_values", base));
    Parts made;
    made.nodes = {node};
    made.outputs = {test::value_info("label", {-1}, kOnnxInt64),
                    test::value_info("p", {-1, classes})};
    return made;
  }
};

TreeScores scores_of(const Trees& trees) {
  const ModelFile file(trees.parts());
  const OnnxModel model = load_onnx(file.path());
  return tree_scores(model, model.nodes[0]);
}

std::string why_not(const Trees& trees, const LogOffset* offset = nullptr) {
  const ModelFile file(trees.parts());
  const OnnxModel model = load_onnx(file.path());
  return why_no_base_values(model, model.nodes[0], offset);
}

/// One tree whose two leaves hold shares of three classes.
Trees forest() {
  return {.entries = {{0, 1, 0, 0.5F}, {0, 1, 2, 0.5F}, {0, 2, 1, 0.9F}, {0, 2, 2, 0.1F}}};
}

Trees boosted() {
  Trees trees = forest();
  trees.transform = "SOFTMAX";
  trees.base = {1, 0, -1};
  return trees;
}

TEST(TreeScores, OfLeavesWhoseSharesSumToOneAreProbabilities) {
  EXPECT_EQ(scores_of(forest()), TreeScores::kProbabilities);
}

TEST(TreeScores, OfOtherLeavesAreUnknown) {
  Trees more = forest();
  more.entries[0].weight = 0.75F;
  EXPECT_EQ(scores_of(more), TreeScores::kUnknown);
  Trees negative = forest();
  negative.entries[0].weight = -0.5F;
  negative.entries[1].weight = 1.5F;
  EXPECT_EQ(scores_of(negative), TreeScores::kUnknown);
  Trees shifted = forest();
  shifted.base = {0.5F, 0, 0};
  EXPECT_EQ(scores_of(shifted), TreeScores::kUnknown);
  Trees empty = forest();
  empty.entries.resize(2);
  EXPECT_EQ(scores_of(empty), TreeScores::kUnknown);
}

// What ONNX Runtime 1.32 makes of two classes is in tests/bake/test_probabilities.py.
TEST(TreeScores, OfTwoClassesMayNameTheFirstOfThem) {
  Trees one{.classes = 2, .entries = {{0, 1, 0, 0.25F}, {0, 2, 0, 1}}};
  EXPECT_EQ(scores_of(one), TreeScores::kProbabilities);
  one.transform = "LOGISTIC";
  EXPECT_EQ(scores_of(one), TreeScores::kProbabilities);
  one.transform = "SOFTMAX";
  EXPECT_EQ(scores_of(one), TreeScores::kUnknown);
  one.transform = "NONE";
  one.base = {0, 0};
  EXPECT_EQ(scores_of(one), TreeScores::kUnknown);
  one.base = {0};
  one.entries[1].weight = 1.5F;
  EXPECT_EQ(scores_of(one), TreeScores::kUnknown);
}

TEST(TreeScores, OfTwoClassesWhoseLeavesNameTheSecondAloneAreUnknown) {
  Trees one{.classes = 2, .entries = {{0, 1, 1, 0.25F}, {0, 2, 1, 1}}};
  for (const char* transform : {"NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"}) {
    one.transform = transform;
    EXPECT_EQ(scores_of(one), TreeScores::kUnknown) << transform;
  }
}

TEST(TreeScores, OfTwoClassesNeedTheSecondInEveryLeafOfATree) {
  Trees both{.classes = 2,
             .entries = {{0, 1, 0, 0.75F}, {0, 1, 1, 0.25F}, {0, 2, 0, 0.5F}, {0, 2, 1, 0.5F}}};
  EXPECT_EQ(scores_of(both), TreeScores::kProbabilities);
  both.transform = "SOFTMAX";
  EXPECT_EQ(scores_of(both), TreeScores::kProbabilities);
  both.transform = "LOGISTIC";
  EXPECT_EQ(scores_of(both), TreeScores::kEach);
  both.entries[1].of = 0;
  for (const char* transform : {"NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"}) {
    both.transform = transform;
    EXPECT_EQ(scores_of(both), TreeScores::kUnknown) << transform;
  }
}

TEST(TreeScores, OfASoftmaxAreProbabilitiesAndOfManyLogisticsAreNot) {
  Trees trees = boosted();
  EXPECT_EQ(scores_of(trees), TreeScores::kProbabilities);
  trees.transform = "LOGISTIC";
  EXPECT_EQ(scores_of(trees), TreeScores::kEach);
  trees.transform = "PROBIT";
  EXPECT_EQ(scores_of(trees), TreeScores::kUnknown);
}

TEST(BaseValues, TakeAnOffsetBeforeASoftmaxOfSmallSums) {
  EXPECT_EQ(why_not(boosted()), "");
  const LogOffset small{.delta = {-1, 0, 1}};
  EXPECT_EQ(why_not(boosted(), &small), "");
}

TEST(BaseValues, AreNamedWithWhatTheyLack) {
  EXPECT_THAT(why_not(forest()), HasSubstr("without a softmax of more than two classes"));
  Trees none = boosted();
  none.base.clear();
  EXPECT_THAT(why_not(none), HasSubstr("no base value for each class"));
  // Class 1: 0 + 0.9 + 3.2
  const LogOffset large{.delta = {-2, 3.2, -1.2}};
  EXPECT_THAT(why_not(boosted(), &large), HasSubstr("reach 4.1"));
}

TEST(BaseValues, AreChangedAlone) {
  const ModelFile file(boosted().parts());
  const OnnxModel model = load_onnx(file.path());
  double rounding = 0;
  const std::string message =
      with_base_values(model, model.nodes[0], {.delta = {-0.5, 0.25, 0.25}}, rounding);
  Parts parts = boosted().parts();
  parts.nodes = {message};
  const ModelFile changed(parts);
  const OnnxModel after = load_onnx(changed.path());
  EXPECT_THAT(after.attribute(after.nodes[0], "base_values")->floats,
              ElementsAre(0.5F, 0.25F, -0.75F));
  EXPECT_THAT(after.attribute(after.nodes[0], "class_weights")->floats,
              ElementsAre(FloatEq(0.5F), FloatEq(0.5F), FloatEq(0.9F), FloatEq(0.1F)));
  EXPECT_EQ(rounding, 0);
}

}  // namespace
}  // namespace p2p::model
