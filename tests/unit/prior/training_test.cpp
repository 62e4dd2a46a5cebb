#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "p2p/estimate.hpp"
#include "support/expect_error.hpp"

namespace p2p {
namespace {

using Loss = Training::Loss;
using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();

Training training(Loss loss, double tau = 1, Values values = {}) {
  return {.loss = loss, .tau = tau, .values = std::move(values)};
}

TEST(TrainingOffset, IsZeroForCrossEntropy) {
  EXPECT_EQ(training_offset(training(Loss::kCrossEntropy), {}, 3), (Values{0, 0, 0}));
}

TEST(TrainingOffset, IsTauLogPriorForLogitAdjustment) {
  const Values b = training_offset(training(Loss::kLogitAdjusted, 0.5), {6, 2}, 2);
  EXPECT_DOUBLE_EQ(b[0], 0.5 * std::log(0.75));
  EXPECT_DOUBLE_EQ(b[1], 0.5 * std::log(0.25));
}

TEST(TrainingOffset, RulesOutClassesThatLogitAdjustmentNeverSaw) {
  EXPECT_EQ(training_offset(training(Loss::kLogitAdjusted), {6, 0}, 2)[1], -kInf);
  EXPECT_EQ(training_offset(training(Loss::kBalancedSoftmax), {6, 0}, 2)[1], -kInf);
}

TEST(TrainingOffset, IsZeroForLogitAdjustmentOfStrengthZero) {
  EXPECT_EQ(training_offset(training(Loss::kLogitAdjusted, 0), {6, 0}, 2), (Values{0, 0}));
}

TEST(TrainingOffset, IsLogCountForBalancedSoftmax) {
  const Values b = training_offset(training(Loss::kBalancedSoftmax), {6, 2}, 2);
  EXPECT_DOUBLE_EQ(b[0], std::log(6.0));
  EXPECT_DOUBLE_EQ(b[1], std::log(2.0));
}

TEST(TrainingOffset, IsMinusLogWeightForClassWeights) {
  const Values b = training_offset(training(Loss::kClassWeights, 1, {0.5, 4}), {}, 2);
  EXPECT_DOUBLE_EQ(b[0], std::log(2.0));
  EXPECT_DOUBLE_EQ(b[1], -std::log(4.0));
}

TEST(TrainingOffset, IsWhatWasGiven) {
  EXPECT_EQ(training_offset(training(Loss::kOffset, 1, {0.5, -4}), {}, 2), (Values{0.5, -4}));
}

TEST(TrainingOffset, NeedsCountsForAdjustedLosses) {
  test::expect_usage({"la", "--counts"},
                     [] { training_offset(training(Loss::kLogitAdjusted), {}, 2); });
  test::expect_usage({"balanced-softmax", "--counts"},
                     [] { training_offset(training(Loss::kBalancedSoftmax), {}, 2); });
}

TEST(TrainingOffset, RefusesCountsThatAreNone) {
  for (const Loss loss : {Loss::kLogitAdjusted, Loss::kBalancedSoftmax}) {
    test::expect_bad_data({"counts", "-1", "class 1"}, [&] {
      training_offset(training(loss), {5, -1}, 2);
    });
    test::expect_bad_data({"counts", "all values are 0"}, [&] {
      training_offset(training(loss), {0, 0}, 2);
    });
    test::expect_bad_data({"3", "2"}, [&] { training_offset(training(loss), {1, 2, 3}, 2); });
  }
}

TEST(TrainingOffset, RefusesValuesOfTheWrongLength) {
  for (const Loss loss : {Loss::kClassWeights, Loss::kOffset}) {
    test::expect_bad_data({"1 values for 2 classes"},
                          [&] { training_offset(training(loss, 1, {1}), {}, 2); });
  }
}

TEST(TrainingOffset, RefusesWeightsThatAreNotPositive) {
  for (const double weight : {0.0, -1.0, kInf, std::nan("")}) {
    test::expect_bad_data({"class 1", "positive"}, [&] {
      training_offset(training(Loss::kClassWeights, 1, {1, weight}), {}, 2);
    });
  }
}

TEST(TrainingOffset, RefusesOffsetsThatAreNotFinite) {
  for (const double offset : {-kInf, kInf, std::nan("")}) {
    test::expect_bad_data({"class 0", "finite"}, [&] {
      training_offset(training(Loss::kOffset, 1, {offset, 1}), {}, 2);
    });
  }
}

TEST(TrainingOffset, OfAClassWithoutImagesMayBeMinusInfinity) {
  const std::vector<double> b = {-kInf, 1};  // as la and balanced-softmax have it
  EXPECT_EQ(training_offset(training(Loss::kOffset, 1, b), {0, 5}, 2), b);
  test::expect_bad_data({"class 1", "finite"}, [&] {
    training_offset(training(Loss::kOffset, 1, {1, -kInf}), {0, 5}, 2);
  });
}

TEST(TrainingOffset, RefusesATauThatIsNotFinite) {
  test::expect_usage({"TAU"}, [] {
    training_offset(training(Loss::kLogitAdjusted, kInf), {1, 2}, 2);
  });
}

TEST(DescribeTraining, NamesTheLoss) {
  EXPECT_EQ(describe(training(Loss::kCrossEntropy)), "ce");
  EXPECT_EQ(describe(training(Loss::kLogitAdjusted, 1)), "la:1");
  EXPECT_EQ(describe(training(Loss::kLogitAdjusted, 1.5)), "la:1.5");
  EXPECT_EQ(describe(training(Loss::kBalancedSoftmax)), "balanced-softmax");
  EXPECT_EQ(describe(training(Loss::kClassWeights)), "weights");
  EXPECT_EQ(describe(training(Loss::kOffset)), "offset");
}

TEST(TrainingOffset, NamesTheFileOfBadValues) {
  Training weights = training(Loss::kClassWeights, 1, {1, 0});
  weights.file = "w.npy";
  test::expect_bad_data({"--trained-with weights:w.npy: class 1 has weight 0"},
                        [&] { training_offset(weights, {}, 2); });
  Training offset = training(Loss::kOffset, 1, {kInf, 0});
  offset.file = "b.npy";
  test::expect_bad_data({"--trained-with offset:b.npy: class 0 has offset inf"},
                        [&] { training_offset(offset, {}, 2); });
  test::expect_bad_data({"--trained-with offset:b.npy: 2 values for 3 classes"},
                        [&] { training_offset(offset, {}, 3); });
}

}  // namespace
}  // namespace p2p
