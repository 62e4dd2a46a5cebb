#include "kernels/reference.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernel_testing.hpp"

namespace p2p::kernels::testing {
namespace {

TEST(Reference, SoftmaxSumOfTwoRowsByHand) {
  const std::vector<float> scores = {0.0f, 0.0f, std::log(3.0f), 0.0f};
  const std::vector<double> weights = {1.0, 2.0};
  const std::vector<std::int32_t> labels = {1, 0};
  std::vector<double> sum(2), squares(2), own(2);
  Facts facts(2);
  ASSERT_EQ(
      reference::softmax_sum(scores.data(), DType::kF32, 2, 2, {}, weights.data(), labels.data(),
                             sum.data(), squares.data(), own.data(), facts.pointers()),
      -1);
  EXPECT_NEAR(sum[0], 0.5 + 2 * 0.75, 1e-7);
  EXPECT_NEAR(sum[1], 0.5 + 2 * 0.25, 1e-7);
  EXPECT_NEAR(squares[0], 0.25 + 2.25, 1e-7);
  EXPECT_NEAR(own[0], 0.5, 1e-7);
  EXPECT_NEAR(own[1], 1.5, 1e-7);
  EXPECT_EQ(facts.max[1], std::log(3.0f));
  EXPECT_EQ(facts.sum[0], 0.0f);
}

TEST(Reference, SoftmaxRowsAgreesWithTheLibrary) {
  const Scores scores = Scores::normal(DType::kF64, 5, 9, 4.0);
  std::vector<double> p(45), log_p(45);
  Facts facts(5);
  reference::softmax_rows(scores.data(), DType::kF64, 5, 9, {}, false, p.data(), facts.pointers());
  reference::softmax_rows(scores.data(), DType::kF64, 5, 9, {}, true, log_p.data(),
                          facts.pointers());
  for (std::int64_t i = 0; i < 5; ++i) {
    double total = 0.0;
    for (std::int64_t c = 0; c < 9; ++c) total += std::exp(scores.get(i, c));
    for (std::int64_t c = 0; c < 9; ++c) {
      const auto at = static_cast<std::size_t>(i * 9 + c);
      EXPECT_NEAR(p[at], std::exp(scores.get(i, c)) / total, 1e-15);
      EXPECT_NEAR(log_p[at], scores.get(i, c) - std::log(total), 1e-14);
    }
  }
}

TEST(Reference, ScalesMultiplyTheScoresBeforeTheOffsetIsAdded) {
  const std::vector<double> scores = {1.0, 2.0, -3.0, -kInfinity, -kInfinity};
  const std::vector<double> scales = {2.0, 0.0, -1.0, 0.0, -1.0};
  const Offsets offsets({0.25, 0.5, 0.0, 1.0, 1.0});
  std::vector<double> out(5);
  Facts facts(1);
  ASSERT_EQ(
      reference::add_offset(scores.data(), DType::kF64, 1, 5,
                            with_scale(offsets.params(0.5), scales), out.data(), facts.pointers()),
      -1);
  EXPECT_EQ(out, (std::vector<double>{1.25, 0.5, 1.5, -kInfinity, -kInfinity}));
}

TEST(Reference, ProbabilitiesAreTheirOwnPosteriorsAndShiftWithOffsets) {
  const std::vector<double> scores = {0.2, 0.8, 0.0};
  const Offsets offsets({std::log(4.0), 0.0, 5.0});
  std::vector<double> p(3);
  Facts facts(1);
  ASSERT_EQ(reference::softmax_rows(scores.data(), DType::kF64, 1, 3, offsets.params(1.0, true),
                                    false, p.data(), facts.pointers()),
            -1);
  EXPECT_NEAR(p[0], 0.5, 1e-15);
  EXPECT_NEAR(p[1], 0.5, 1e-15);
  EXPECT_EQ(p[2], 0.0);
}

TEST(Reference, FactsOfHugeFiniteScoresStayFinite) {
  const std::vector<double> scores = {1e300, 1e300};
  std::vector<double> p(2);
  Facts facts(1);
  ASSERT_EQ(reference::softmax_rows(scores.data(), DType::kF64, 1, 2, {}, false, p.data(),
                                    facts.pointers()),
            -1);
  EXPECT_EQ(p[0], 0.5);
  EXPECT_EQ(facts.max[0], std::numeric_limits<float>::max());
}

}  // namespace
}  // namespace p2p::kernels::testing
