#include "model/onnx_probabilities.hpp"

#include <gtest/gtest.h>

#include "unit/model/onnx_testing.hpp"

namespace p2p::model {
namespace {

using test::ModelFile;
using test::number;
using test::Parts;

std::string axis(std::int64_t value) { return integer_attribute("axis", value); }

/// Nodes that make "p" of the inputs "x" and "y".
bool proves(std::vector<std::string> nodes, std::vector<std::string> values = {},
            std::int64_t rank = 2, std::uint64_t opset = 13) {
  const ModelFile file(test::making_p(std::move(nodes), std::move(values), opset));
  return holds_probabilities(load_onnx(file.path()), "p", rank);
}

const std::string kSoftmax = make_node({"x"}, "s", "", "Softmax");
const std::string kSigmoid = make_node({"x"}, "g", "", "Sigmoid");
const std::string kExp = make_node({"x"}, "e", "", "Exp");
const std::string kAxis = make_integers("axis", {-1});

std::string sum_of(const std::string& value) {
  return make_node({value, "axis"}, "sum", "", "ReduceSum");
}
std::string quotient(const std::string& above, const std::string& below) {
  return make_node({above, below}, "p", "", "Div");
}

TEST(HoldsProbabilities, NonNegativeNumbersDividedByTheirSum) {
  EXPECT_TRUE(proves({kExp, sum_of("e"), quotient("e", "sum")}, {kAxis}));
  EXPECT_TRUE(proves({kSigmoid, sum_of("g"), quotient("g", "sum")}, {kAxis}));
  EXPECT_FALSE(proves({sum_of("x"), quotient("x", "sum")}, {kAxis}));
  EXPECT_FALSE(proves({kExp, kSigmoid, sum_of("g"), quotient("e", "sum")}, {kAxis}));
}

TEST(HoldsProbabilities, NotWhereTheSumRunsOverAnotherAxis) {
  EXPECT_FALSE(proves({kExp, sum_of("e"), quotient("e", "sum")}, {make_integers("axis", {0})}));
  EXPECT_FALSE(proves({kExp, sum_of("e"), quotient("e", "sum")}, {make_integers("axis", {1})}, 3));
}

TEST(HoldsProbabilities, AGuardAgainstZeroIsPartOfTheSum) {
  const std::string guarded = make_node({"sum", "tiny"}, "most", "", "Max");
  EXPECT_TRUE(
      proves({kExp, sum_of("e"), guarded, quotient("e", "most")}, {kAxis, number("tiny", 1e-12F)}));
  EXPECT_FALSE(
      proves({kExp, sum_of("e"), guarded, quotient("e", "most")}, {kAxis, number("tiny", 0.5F)}));
}

TEST(HoldsProbabilities, ASumWithoutSignsIsTheSum) {
  const std::string sized = make_node({"g"}, "a", "", "Abs");
  EXPECT_TRUE(proves({kSigmoid, sized, sum_of("a"), quotient("g", "sum")}, {kAxis}));
}

TEST(HoldsProbabilities, ReciprocalsOfPositiveNumbersAreNotNegative) {
  const std::string most = make_node({"x", "tiny"}, "m", "", "Max");
  const std::string inverse = make_node({"m"}, "i", "", "Reciprocal");
  EXPECT_TRUE(
      proves({most, inverse, sum_of("i"), quotient("i", "sum")}, {kAxis, number("tiny", 1e-6F)}));
  EXPECT_FALSE(
      proves({most, inverse, sum_of("i"), quotient("i", "sum")}, {kAxis, number("tiny", -1)}));
}

TEST(HoldsProbabilities, ExponentialsOfLogitsLessTheirLogSumExp) {
  const std::string lse =
      make_node({"x"}, "lse", "", "ReduceLogSumExp", integers_attribute("axes", {1}));
  const std::string exp = make_node({"d"}, "p", "", "Exp");
  EXPECT_TRUE(proves({lse, make_node({"x", "lse"}, "d", "", "Sub"), exp}));
  EXPECT_FALSE(proves({lse, make_node({"y", "lse"}, "d", "", "Sub"), exp}));
}

TEST(HoldsProbabilities, AProbabilityBesideItsComplement) {
  const std::string minus = make_node({"one", "g"}, "q", "", "Sub");
  const auto beside = [&](const std::string& a, const std::string& b) {
    return make_node({a, b}, "p", "", "Concat", axis(1));
  };
  EXPECT_TRUE(proves({kSigmoid, minus, beside("q", "g")}, {number("one", 1)}));
  EXPECT_TRUE(proves({kSigmoid, minus, beside("g", "q")}, {number("one", 1)}));
  EXPECT_FALSE(proves({kSigmoid, minus, beside("q", "g")}, {number("one", 2)}));
  EXPECT_FALSE(proves({kSigmoid, minus, beside("g", "g")}, {number("one", 1)}));
}

TEST(HoldsProbabilities, WeightedMeansWhoseWeightsSumToOne) {
  const std::string other = make_node({"y"}, "t", "", "Softmax");
  const auto mean = [&](float a, float b) {
    return proves({kSoftmax, other, make_node({"s", "a"}, "sa", "", "Mul"),
                   make_node({"b", "t"}, "tb", "", "Mul"), make_node({"sa", "tb"}, "p", "", "Add")},
                  {number("a", a), number("b", b)});
  };
  EXPECT_TRUE(mean(0.25F, 0.75F));
  EXPECT_FALSE(mean(0.5F, 0.75F));
  EXPECT_FALSE(mean(-1, 2));
}

TEST(HoldsProbabilities, ClippingKeepsThemOnlyWhereItChangesNothing) {
  const auto clipped = [&](float least) {
    return proves({kSoftmax, make_node({"s", "least", "most"}, "p", "", "Clip")},
                  {number("least", least), number("most", 1)});
  };
  EXPECT_TRUE(clipped(0));
  EXPECT_FALSE(clipped(1e-6F));
}

TEST(HoldsProbabilities, ASoftmaxOverTheAxisThatComesLastAfterwards) {
  const auto transposed = [&](std::int64_t softmax, std::vector<std::int64_t> perm,
                              std::uint64_t opset) {
    return proves({make_node({"x"}, "s", "", "Softmax", axis(softmax)),
                   make_node({"s"}, "p", "", "Transpose", integers_attribute("perm", perm))},
                  {}, 4, opset);
  };
  EXPECT_TRUE(transposed(1, {0, 2, 3, 1}, 13));
  EXPECT_FALSE(transposed(2, {0, 2, 3, 1}, 13));
  EXPECT_FALSE(transposed(1, {0, 2, 3, 1}, 11));  // over all axes from 1 on
}

/// Whether "p" of `shape`, the mean of two softmaxes over axis `over`, is taken.
bool takes(const std::vector<std::int64_t>& shape, std::int64_t over, bool stated = true) {
  Parts parts;
  const std::vector<std::int64_t> kernel(shape.size() - 2, 1);
  std::vector<std::int64_t> weight{3, 2};
  weight.insert(weight.end(), kernel.begin(), kernel.end());
  const bool is_map = shape.size() > 2;
  parts.nodes = {make_node({"x", "W"}, "a", "", is_map ? "Conv" : "Gemm"),
                 make_node({"a"}, "s", "", "Softmax", axis(over)),
                 make_node({"x", "V"}, "b", "", is_map ? "Conv" : "Gemm"),
                 make_node({"b"}, "t", "", "Softmax", axis(over)),
                 make_node({"s", "t"}, "sum", "", "Add"),
                 make_node({"sum", "half"}, "p", "", "Mul")};
  parts.initializers = {make_tensor("W", DType::kF32, weight, test::floats({1, 2, 3, 4, 5, 6})),
                        make_tensor("V", DType::kF32, weight, test::floats({6, 5, 4, 3, 2, 1})),
                        number("half", 0.5F)};
  parts.outputs = {stated ? test::value_info("p", shape) : bytes_field(1, "p")};
  const ModelFile file(parts);
  OnnxHead head;
  head.output = "p";
  return take_probabilities(load_onnx(file.path()), "p", head);
}

TEST(TakeProbabilities, WhoseClassesLieOnTheLastAxis) {
  EXPECT_TRUE(takes({-1, 3}, 1));
  EXPECT_TRUE(takes({-1, 3}, 1, false));
  EXPECT_FALSE(takes({-1, 3, 1, 1}, 1));
  EXPECT_FALSE(takes({-1, 3, -1}, 1));
  EXPECT_FALSE(takes({-1, 3, -1}, 1, false));
  EXPECT_FALSE(takes({-1, 3, -1}, 2));  // a softmax over the positions of a map
}

}  // namespace
}  // namespace p2p::model
