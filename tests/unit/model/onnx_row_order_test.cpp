#include "model/onnx_row_order.hpp"

#include <gmock/gmock.h>

#include "unit/model/onnx_testing.hpp"

namespace p2p::model {
namespace {

using test::ModelFile;
using test::number;
using test::Parts;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

/// The values that order the classes as "p" does, which `nodes` make of "x".
std::vector<std::string> before(std::vector<std::string> nodes,
                                std::vector<std::string> values = {}, std::int64_t rank = 2,
                                std::uint64_t opset = 13) {
  const ModelFile file(test::making_p(std::move(nodes), std::move(values), opset));
  std::vector<std::string> found;
  for (const auto& [value, order] : values_of_same_order(load_onnx(file.path()), "p", rank)) {
    found.push_back(value);
  }
  return found;
}

std::string softmax(std::int64_t axis) {
  return make_node({"x"}, "p", "", "Softmax", integer_attribute("axis", axis));
}

TEST(RowOrder, StaysThroughIncreasingFunctionsAndSumsOfRows) {
  EXPECT_THAT(before({make_node({"x"}, "z", "", "Sigmoid"), make_node({"z"}, "e", "", "Exp"),
                      make_node({"e", "axis"}, "sum", "", "ReduceSum"),
                      make_node({"sum", "tiny"}, "some", "", "Max"),
                      make_node({"e", "some"}, "p", "", "Div")},
                     {make_integers("axis", {-1}), number("tiny", 1e-12F)}),
              UnorderedElementsAre("p", "e", "z", "x"));
}

TEST(RowOrder, StaysBesideOneNumberOfARow) {
  EXPECT_THAT(before({make_node({"x"}, "l", "", "ReduceLogSumExp", integers_attribute("axes", {1})),
                      make_node({"x", "l"}, "d", "", "Sub"), make_node({"d"}, "p", "", "Exp")}),
              UnorderedElementsAre("p", "d", "x"));
}

TEST(RowOrder, IsOfNoOneOfSeveralParts) {
  for (const char* op : {"Add", "Mul", "Sum", "Mean"}) {
    EXPECT_THAT(before({make_node({"x", "y"}, "p", "", op)}), ElementsAre("p")) << op;
  }
}

TEST(RowOrder, StaysThroughPositiveFactorsOnly) {
  const auto times = [](float by) {
    return before({make_node({"x", "by"}, "p", "", "Mul")}, {number("by", by)}).size();
  };
  EXPECT_EQ(times(0.5F), 2U);
  EXPECT_EQ(times(0), 1U);
  EXPECT_EQ(times(-1), 1U);
  const std::string each = make_tensor("by", DType::kF32, {3}, test::floats({1, 2, 3}));
  EXPECT_THAT(before({make_node({"x", "by"}, "p", "", "Mul")}, {each}), ElementsAre("p"));
}

TEST(RowOrder, TurnsWhereASumMayBeNegative) {
  EXPECT_THAT(before({make_node({"x", "axis"}, "sum", "", "ReduceSum"),
                      make_node({"x", "sum"}, "p", "", "Div")},
                     {make_integers("axis", {-1})}),
              ElementsAre("p"));
}

TEST(RowOrder, StaysThroughASoftmaxOfRowsAlone) {
  EXPECT_THAT(before({softmax(1)}), UnorderedElementsAre("p", "x"));
  EXPECT_THAT(before({softmax(0)}), ElementsAre("p"));
  EXPECT_THAT(before({softmax(1)}, {}, 3, 11), ElementsAre("p"));  // over axes 1 and 2 at once
}

TEST(RowOrder, FollowsTheAxes) {
  Parts parts;
  parts.nodes = {make_node({"x"}, "s", "", "Softmax", integer_attribute("axis", 1)),
                 make_node({"s"}, "p", "", "Transpose", integers_attribute("perm", {0, 2, 3, 1}))};
  parts.outputs = {test::value_info("p", {-1, 4, 8, 3})};
  const ModelFile file(parts);
  EXPECT_THAT(
      values_of_same_order(load_onnx(file.path()), "p", 4),
      UnorderedElementsAre(Pair("p", ElementsAre(0, 1, 2, 3)), Pair("s", ElementsAre(0, 2, 3, 1)),
                           Pair("x", ElementsAre(0, 2, 3, 1))));
}

}  // namespace
}  // namespace p2p::model
