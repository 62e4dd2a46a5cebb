#include "model/verify.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "support/expect_error.hpp"
#include "support/input_file.hpp"
#include "support/matrices.hpp"

namespace p2p::model {
namespace {

using test::bytes_of;
using test::expect_bad_data;
using test::InputFolder;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// What both models gave, and the correction between them.
struct Case {
  std::vector<double> before;
  std::vector<double> after;
  LogOffset offset;
  std::string shape = "(1, 3)";
  int class_axis = -1;
  OutputKind kind = OutputKind::kLogits;
  DType dtype = DType::kF64;   ///< of both files
  DType stored = DType::kF64;  ///< of the offset
  std::optional<double> tolerance = {};
};

std::string file(const InputFolder& folder, const std::string& name, const Case& c,
                 const std::vector<double>& values) {
  const auto data = test::encoded(values, c.dtype);
  const std::string descr = c.dtype == DType::kF16 ? "<f2" : c.dtype == DType::kF32 ? "<f4" : "<f8";
  return folder.add(
      name, test::npy(descr, c.shape,
                      {static_cast<const char*>(data.get()), values.size() * item_size(c.dtype)}));
}

Verification verified(const Case& c) {
  const InputFolder folder;
  return verify_scores(file(folder, "old.npy", c, c.before), file(folder, "new.npy", c, c.after),
                       c.kind, c.class_axis, c.stored, c.offset,
                       {.inputs = "x.npy", .tolerance = c.tolerance}, "an engine");
}

std::vector<double> softmax(std::vector<double> z) {
  double sum = 0;
  for (const double value : z) sum += std::exp(value);
  for (double& value : z) value = std::exp(value) / sum;
  return z;
}

std::vector<double> logs(std::vector<double> p) {
  for (double& value : p) value = std::log(value);
  return p;
}

TEST(VerifyScores, CorrectedLogitsPassAndChangedDecisionsAreCounted) {
  const Verification result = verified({.before = {2, 1, 0, 3, 0, 0},
                                        .after = {1, 2, 0.5, 2, 1, 0.5},
                                        .offset = {.delta = {-1, 1, 0.5}},
                                        .shape = "(2, 3)"});
  EXPECT_TRUE(result.passed());
  EXPECT_EQ(result.max_difference, 0);
  EXPECT_EQ(result.n_rows, 2);
  EXPECT_EQ(result.n_classes, 3);
  EXPECT_EQ(result.differing_decisions, 0);
  EXPECT_EQ(result.changed_decisions, 1);
  EXPECT_EQ(result.engine, "an engine");
}

TEST(VerifyScores, AnOffsetThatIsMissingIsTheDifference) {
  const Verification result =
      verified({.before = {2, 1, 0}, .after = {2, 1, 0}, .offset = {.delta = {-0.5, 1, -0.5}}});
  EXPECT_FALSE(result.passed());
  EXPECT_DOUBLE_EQ(result.max_difference, 0.5);
  EXPECT_EQ(result.differing_decisions, 1);
}

TEST(VerifyScores, AConstantAddedToAllLogitsIsADifference) {
  const Verification result =
      verified({.before = {2, 1, 0}, .after = {3, 2, 1}, .offset = {.delta = {0, 0, 0}}});
  EXPECT_FALSE(result.passed());
  EXPECT_EQ(result.max_difference, 1);
  EXPECT_EQ(result.differing_decisions, 0);
}

TEST(VerifyScores, TemperatureAndScalesComeBeforeTheOffset) {
  const Verification result =
      verified({.before = {2, 1, -4},
                .after = {2 * 3 / 2.0 + 1, 0.5, -4 * 0.5 / 2 - 1},
                .offset = {.delta = {1, 0, -1}, .temperature = 2, .scale = {3, 1, 0.5}}});
  EXPECT_EQ(result.max_difference, 0);
}

TEST(VerifyScores, ProbabilitiesAndTheirLogarithmsAreCorrectedAsSuch) {
  const std::vector<double> before = softmax({2, 1, 0});
  const std::vector<double> after = softmax({2 / 2.0 - 1, 1 / 2.0 + 1, 0.5});
  const LogOffset offset{.delta = {-1, 1, 0.5}, .temperature = 2};
  EXPECT_LT(
      verified({.before = before, .after = after, .offset = offset, .kind = OutputKind::kProbs})
          .max_difference,
      1e-15);
  EXPECT_LT(verified({.before = logs(before),
                      .after = logs(after),
                      .offset = offset,
                      .kind = OutputKind::kLogProbs})
                .max_difference,
            1e-14);
}

TEST(VerifyScores, LogitsMayLookLikeProbabilities) {
  EXPECT_TRUE(
      verified(
          {.before = {0.5, 0.25, 0.25}, .after = {0.5, 1.25, 0.25}, .offset = {.delta = {0, 1, 0}}})
          .passed());
}

TEST(VerifyScores, DifferencesAreRelativeBeyondOne) {
  const LogOffset nothing{.delta = {0, 0, 0}};
  EXPECT_DOUBLE_EQ(
      verified({.before = {1000, 1, 0}, .after = {1001, 1, 0}, .offset = nothing}).max_difference,
      1e-3);
  EXPECT_DOUBLE_EQ(
      verified({.before = {0.25, 0, 0}, .after = {0.5, 0, 0}, .offset = nothing}).max_difference,
      0.25);
}

TEST(VerifyScores, MaskedClassesMustBeMaskedInBoth) {
  const LogOffset nothing{.delta = {0, 0, 0}};
  const std::vector<double> masked = {1, -kInfinity, 0};
  EXPECT_EQ(verified({.before = masked, .after = masked, .offset = nothing}).max_difference, 0);
  EXPECT_EQ(verified({.before = masked, .after = {1, -1e9, 0}, .offset = nothing}).max_difference,
            kInfinity);
  EXPECT_EQ(verified({.before = {1, 0, 0}, .after = masked, .offset = nothing}).max_difference,
            kInfinity);
}

TEST(VerifyScores, AClassThatTheOffsetRulesOutIsMinusInfinity) {
  EXPECT_TRUE(verified({.before = {3, 1, 0},
                        .after = {-kInfinity, 1, 0},
                        .offset = {.delta = {-kInfinity, 0, 0}}})
                  .passed());
}

TEST(VerifyScores, NanIsNamedByModelRowAndClass) {
  const LogOffset nothing{.delta = {0, 0, 0}};
  const std::vector<double> good = {1, 2, 3, 4, 5, 6};
  const std::vector<double> bad = {1, 2, 3, 4, kNan, 6};
  expect_bad_data({"new model", "row 1, class 1", "5 was expected"}, [&] {
    verified({.before = good, .after = bad, .offset = nothing, .shape = "(2, 3)"});
  });
  expect_bad_data({"'scores of the old model', row 1, column 1", "NaN"}, [&] {
    verified({.before = bad, .after = good, .offset = nothing, .shape = "(2, 3)"});
  });
}

TEST(VerifyScores, ADecisionWithinTheToleranceIsATie) {
  const LogOffset nothing{.delta = {0, 0, 0}};
  const auto decided = [&](double gap) {
    return verified({.before = {1 + gap, 1, 0},
                     .after = {1, 1 + 1e-9, 0},
                     .offset = nothing,
                     .tolerance = 1e-3})
        .differing_decisions;
  };
  EXPECT_EQ(decided(0.9e-3), 0);
  EXPECT_EQ(decided(1.1e-3), 1);
}

TEST(VerifyScores, TiesOfSmallProbabilitiesAreAsNarrow) {
  const std::vector<double> rest(1000, 0.997 / 1000);
  std::vector<double> before = {0.0015 + 1e-6, 0.0015 - 1e-6};
  before.insert(before.end(), rest.begin(), rest.end());
  std::vector<double> after = before;
  std::swap(after[0], after[1]);
  const Verification result = verified({.before = before,
                                        .after = after,
                                        .offset = {.delta = std::vector<double>(1002, 0.0)},
                                        .shape = "(1, 1002)",
                                        .kind = OutputKind::kProbs});
  EXPECT_LT(result.max_difference, result.tolerance);
  EXPECT_EQ(result.differing_decisions, 1);
}

TEST(VerifyScores, TheToleranceIsThatOfTheCoarsestNumbersUnlessGiven) {
  const auto tolerance = [](DType dtype, DType stored, std::optional<double> given = {}) {
    return verified({.before = {1, 2, 3},
                     .after = {1, 2, 3},
                     .offset = {.delta = {0, 0, 0}},
                     .dtype = dtype,
                     .stored = stored,
                     .tolerance = given})
        .tolerance;
  };
  EXPECT_EQ(tolerance(DType::kF32, DType::kF32), kVerifyTolerance);
  EXPECT_EQ(tolerance(DType::kF64, DType::kF64), kVerifyTolerance);
  EXPECT_EQ(tolerance(DType::kF16, DType::kF32), 4 * std::ldexp(1, -11));
  EXPECT_EQ(tolerance(DType::kF32, DType::kF16), 4 * std::ldexp(1, -11));
  EXPECT_EQ(tolerance(DType::kF32, DType::kBF16), 4 * std::ldexp(1, -8));
  EXPECT_EQ(tolerance(DType::kF16, DType::kBF16, 0.5), 0.5);
}

TEST(VerifyScores, Float16ScoresOfAFloat16HeadPass) {
  const std::vector<double> before = test::rounded({7.3, -2.1, 0.4}, DType::kF16);
  const LogOffset offset{.delta = {-0.123, 0.456, -0.333}};
  std::vector<double> after(3);
  for (std::size_t c = 0; c < 3; ++c) after[c] = before[c] + offset.delta[c];
  EXPECT_TRUE(verified({.before = before,
                        .after = after,
                        .offset = offset,
                        .dtype = DType::kF16,
                        .stored = DType::kF16})
                  .passed());
}

TEST(VerifyScores, EveryPositionOfAnOutputOfManyAxesIsARow) {
  const Verification result = verified({.before = {3, 0, 0, 4, 5, 0, 7, 0},
                                        .after = {3, 2, 0, 6, 5, 2, 7, 2},
                                        .offset = {.delta = {0, 2}},
                                        .shape = "(2, 2, 2)"});
  EXPECT_TRUE(result.passed());
  EXPECT_EQ(result.n_rows, 4);
  EXPECT_EQ(result.n_classes, 2);
}

TEST(VerifyScores, ClassesOnTheirStatedAxisTakeTheOffset) {
  // [1, 2 classes, 2 positions]: class 1 gains 2 at either position.
  EXPECT_TRUE(verified({.before = {3, 0, 0, 4},
                        .after = {3, 0, 2, 6},
                        .offset = {.delta = {0, 2}},
                        .shape = "(1, 2, 2)",
                        .class_axis = 1})
                  .passed());
  EXPECT_FALSE(verified({.before = {3, 0, 0, 4},
                         .after = {3, 2, 0, 6},
                         .offset = {.delta = {0, 2}},
                         .shape = "(1, 2, 2)",
                         .class_axis = 1})
                   .passed());
}

TEST(VerifyScores, ManyBlocksAreComparedRowByRow) {
  const std::int64_t rows = 3 * kBlockRows + 5;
  std::vector<double> before(static_cast<std::size_t>(2 * rows));
  for (std::size_t i = 0; i < before.size(); ++i) before[i] = static_cast<double>(i % 17);
  std::vector<double> after = before;
  for (std::size_t i = 0; i < after.size(); i += 2) after[i] += 3;
  after.back() += 0.5;
  const Verification result = verified({.before = before,
                                        .after = after,
                                        .offset = {.delta = {3, 0}},
                                        .shape = "(" + std::to_string(rows) + ", 2)",
                                        .dtype = DType::kF32});
  EXPECT_EQ(result.n_rows, rows);
  EXPECT_GT(result.max_difference, 0.01);
}

TEST(VerifyScores, FilesOfDifferentShapesAreRefused) {
  const InputFolder folder;
  const std::string two = folder.add("2.npy", test::npy_of<float>("<f4", "(1, 2)", {1, 2}));
  const std::string three = folder.add("3.npy", test::npy_of<float>("<f4", "(1, 3)", {1, 2, 3}));
  expect_bad_data({"shape [1, 2]", "[1, 3]"}, [&] {
    verify_scores(two, three, OutputKind::kLogits, -1, DType::kF32, {.delta = {0, 0}}, {}, "");
  });
}

std::int64_t differing_labels(const std::vector<std::int64_t>& labels) {
  const InputFolder folder;
  const std::string scores =
      folder.add("old.npy", test::npy_of<float>("<f4", "(3, 2)", {2, 0, 0, 2, 1, 1 - 1e-7F}));
  const std::string shape = "(" + std::to_string(labels.size()) + ",)";
  return count_differing_labels(scores, folder.add("new.npy", test::npy_of("<i8", shape, labels)),
                                OutputKind::kLogits, -1, DType::kF32, {.delta = {-1.5, 1.5}}, {});
}

TEST(CountDifferingLabels, ComparesWithTheLargestCorrectedScore) {
  EXPECT_EQ(differing_labels({1, 1, 1}), 0);
  EXPECT_EQ(differing_labels({0, 1, 0}), 2);
}

TEST(CountDifferingLabels, TiesMayFallEitherWay) {
  const InputFolder folder;
  const std::string scores =
      folder.add("old.npy", test::npy_of<float>("<f4", "(1, 2)", {1, 1 + 1e-6F}));
  for (const std::int64_t label : {0, 1}) {
    const std::string labels =
        folder.add("new.npy", test::npy_of<std::int64_t>("<i8", "(1,)", {label}));
    EXPECT_EQ(count_differing_labels(scores, labels, OutputKind::kLogits, -1, DType::kF32,
                                     {.delta = {0, 0}}, {}),
              0);
  }
}

TEST(CountDifferingLabels, LabelsMustBeClassesAndOneForEachRow) {
  expect_bad_data({"label 2 for row 1", "2 classes"}, [] { differing_labels({0, 2, 0}); });
  expect_bad_data({"3 rows", "2 labels"}, [] { differing_labels({0, 1}); });
}

}  // namespace
}  // namespace p2p::model
