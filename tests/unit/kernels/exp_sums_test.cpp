#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernel_testing.hpp"

namespace p2p::kernels::testing {
namespace {

class ExpSums : public EveryTarget {};
P2P_FOR_EVERY_TARGET(ExpSums);

std::vector<double> plain_sums(const Scores& scores) {
  std::vector<double> sums;
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    double sum = 0;
    for (std::int64_t c = 0; c < scores.classes(); ++c) sum += std::exp(scores.get(i, c));
    sums.push_back(sum);
  }
  return sums;
}

void expect_near(const std::vector<float>& sums, const std::vector<double>& expected) {
  for (std::size_t i = 0; i < sums.size(); ++i) {
    // Sums far below that of a row of log-probabilities need not keep their digits.
    ASSERT_NEAR(sums[i], expected[i], kExpSumTolerance * std::max(expected[i], 1e-12))
        << "row " << i;
  }
}

Scores with_masked_classes(Scores scores) {
  for (std::int64_t i = 0; i < scores.rows() * scores.classes(); i += 3) scores.set(i, -kInfinity);
  return scores;
}

// The sums that softmax_sum finds beside its own work.
std::vector<float> facts_of_softmax_sum(const Scores& scores) {
  const auto classes = static_cast<std::size_t>(scores.classes());
  std::vector<double> sum(classes), squares(classes);
  std::vector<float> exp_sum(static_cast<std::size_t>(scores.rows()));
  Facts facts(scores.rows());
  RowFacts pointers = facts.pointers();
  pointers.exp_sum = exp_sum.data();
  const auto bytes =
      static_cast<std::size_t>((softmax_sum_scratch(scores.classes()) + 63) / 64 * 64);
  const GuardedMemory scratch(bytes);
  EXPECT_EQ(softmax_sum(scores.data(), scores.dtype(), scores.rows(), scores.classes(), {}, nullptr,
                        nullptr, sum.data(), squares.data(), nullptr, pointers, scratch.at_end()),
            -1);
  return exp_sum;
}

TEST_P(ExpSums, KeepTheirToleranceForEveryTypeAndWidth) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      SCOPED_TRACE(::testing::Message() << dtype_name(dtype) << " C=" << classes);
      for (const double deviation : {1.0, 4.0, 12.0}) {
        const Scores scores = Scores::normal(dtype, classes > 100 ? 3 : 37, classes, deviation);
        std::vector<float> sums(static_cast<std::size_t>(scores.rows()));
        exp_sums(scores.data(), dtype, scores.rows(), classes, sums.data());
        expect_near(sums, plain_sums(scores));
        expect_near(facts_of_softmax_sum(scores), plain_sums(scores));
      }
    }
  }
}

TEST_P(ExpSums, MaskedClassesAddNothing) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : {2, 10, 100, 1000}) {
      SCOPED_TRACE(::testing::Message() << dtype_name(dtype) << " C=" << classes);
      const Scores scores = with_masked_classes(Scores::normal(dtype, 5, classes, 2.0));
      std::vector<float> sums(5);
      exp_sums(scores.data(), dtype, 5, classes, sums.data());
      expect_near(sums, plain_sums(scores));
      expect_near(facts_of_softmax_sum(scores), plain_sums(scores));
    }
  }
}

TEST_P(ExpSums, OfAMillionClassesKeepTheirTolerance) {
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    const Scores scores = Scores::normal(dtype, 1, 1'000'000, 1.0);
    std::vector<float> sums(1);
    exp_sums(scores.data(), dtype, 1, scores.classes(), sums.data());
    expect_near(sums, plain_sums(scores));
    expect_near(facts_of_softmax_sum(scores), plain_sums(scores));
  }
}

TEST_P(ExpSums, ReadNothingOutsideTheScores) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const Scores scores = Scores::normal(dtype, 3, classes, 2.0);
      const GuardedMemory memory(scores.bytes());
      std::memcpy(memory.at_end(), scores.data(), scores.bytes());
      std::vector<float> sums(3);
      exp_sums(memory.at_end(), dtype, 3, classes, sums.data());
      expect_near(sums, plain_sums(scores));
    }
  }
}

}  // namespace
}  // namespace p2p::kernels::testing
