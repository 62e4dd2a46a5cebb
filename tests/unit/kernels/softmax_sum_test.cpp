#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "kernel_testing.hpp"

namespace p2p::kernels::testing {
namespace {

class SoftmaxSum : public EveryTarget {};
P2P_FOR_EVERY_TARGET(SoftmaxSum);

struct Inputs {
  SoftmaxParams params;
  std::optional<std::vector<double>> weights;
  std::optional<std::vector<std::int32_t>> labels;
};

/// One result of softmax_sum, and the calls that make it.
struct Result {
  Result(std::int64_t rows, std::int64_t classes)
      : sum(static_cast<std::size_t>(classes)),
        squares(static_cast<std::size_t>(classes)),
        own(static_cast<std::size_t>(rows), 7.0),
        facts(rows) {}

  static Result expected(const Scores& scores, const Inputs& inputs) {
    Result result(scores.rows(), scores.classes());
    result.returned =
        reference::softmax_sum(scores.data(), scores.dtype(), scores.rows(), scores.classes(),
                               inputs.params, inputs.weights ? inputs.weights->data() : nullptr,
                               inputs.labels ? inputs.labels->data() : nullptr, result.sum.data(),
                               result.squares.data(), result.own.data(), result.facts.pointers());
    return result;
  }

  static Result of(const Scores& scores, const Inputs& inputs = {}) {
    Result result(scores.rows(), scores.classes());
    result.add(scores, inputs, scores.data(), 0, scores.rows());
    return result;
  }

  /// Adds rows [first, first + rows), found at `data`. The scratch ends at an unreadable page.
  void add(const Scores& scores, const Inputs& inputs, const void* data, std::int64_t first,
           std::int64_t rows) {
    const GuardedMemory scratch(
        static_cast<std::size_t>((softmax_sum_scratch(scores.classes()) + 63) / 64 * 64));
    std::memset(scratch.at_end(), 0x7f,
                static_cast<std::size_t>(softmax_sum_scratch(scores.classes())));
    returned = softmax_sum(data, scores.dtype(), rows, scores.classes(), inputs.params,
                           inputs.weights ? inputs.weights->data() + first : nullptr,
                           inputs.labels ? inputs.labels->data() + first : nullptr, sum.data(),
                           squares.data(), own.data() + first,
                           {facts.max.data() + first, facts.sum.data() + first}, scratch.at_end());
  }

  void expect_same_bits(const Result& other) const {
    EXPECT_EQ(sum, other.sum);
    EXPECT_EQ(squares, other.squares);
    EXPECT_EQ(own, other.own);
    EXPECT_EQ(facts.max, other.facts.max);
    EXPECT_EQ(facts.sum, other.facts.sum);
  }

  std::int64_t returned = -2;
  std::vector<double> sum;
  std::vector<double> squares;
  std::vector<double> own;
  Facts facts;
};

std::vector<std::int32_t> cycling_labels(std::int64_t rows, std::int64_t classes) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < rows; ++i) {
    labels.push_back(static_cast<std::int32_t>(i * 31 % classes));
  }
  return labels;
}

/// The sums, and every posterior of the first rows (a sum over one row).
void expect_near_reference(const Scores& scores, Inputs inputs) {
  const std::int64_t classes = scores.classes();
  SCOPED_TRACE(::testing::Message()
               << dtype_name(scores.dtype()) << " C=" << classes << " rows=" << scores.rows());
  inputs.labels = cycling_labels(scores.rows(), classes);
  const Result result = Result::of(scores, inputs);
  const Result expected = Result::expected(scores, inputs);
  ASSERT_EQ(result.returned, expected.returned);
  if (expected.returned >= 0) return;
  const double bound = tolerance(scores.dtype());
  const auto near = [](double value, double exact, double unit, double relative) {
    return std::abs(value - exact) <= relative * std::max(exact, unit);
  };
  double total_weight = 0.0;
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double weight = inputs.weights ? (*inputs.weights)[at] : 1.0;
    total_weight += weight;
    ASSERT_PRED4(near, result.own[at], expected.own[at], weight * 0x1p-20, bound) << "row " << i;
    ASSERT_EQ(result.facts.max[at], expected.facts.max[at]) << "row " << i;
    if (std::isinf(result.facts.sum[at])) continue;
    const double size = std::abs(static_cast<double>(expected.facts.max[at])) + 10.0;
    ASSERT_NEAR(result.facts.sum[at], expected.facts.sum[at],
                1e-6 * size * static_cast<double>(classes));
  }
  for (std::size_t c = 0; c < result.sum.size(); ++c) {
    ASSERT_PRED4(near, result.sum[c], expected.sum[c], total_weight * 0x1p-20, 2 * bound)
        << "class " << c;
    ASSERT_NEAR(result.squares[c], expected.squares[c],
                4 * bound * std::max(expected.squares[c], total_weight * 0x1p-20))
        << "class " << c;
  }
  Inputs one_row = inputs;
  one_row.labels.reset();
  for (std::int64_t i = 0; i < std::min<std::int64_t>(scores.rows(), 2); ++i) {
    Scores row(scores.dtype(), 1, classes);
    for (std::int64_t c = 0; c < classes; ++c) row.set(0, c, scores.get(i, c));
    if (inputs.weights) one_row.weights = {(*inputs.weights)[static_cast<std::size_t>(i)]};
    const double weight = one_row.weights ? one_row.weights->front() : 1.0;
    const Result posteriors = Result::of(row, one_row);
    const Result exact = Result::expected(row, one_row);
    for (std::size_t c = 0; c < exact.sum.size(); ++c) {
      ASSERT_PRED4(near, posteriors.sum[c], exact.sum[c], weight * 0x1p-20, bound)
          << "row " << i << " class " << c;
    }
  }
}

TEST_P(SoftmaxSum, KeepsItsToleranceForEveryTypeAndWidth) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 6 : 37;
      for (const double deviation : {1.0, 8.0, 30.0}) {
        expect_near_reference(Scores::normal(dtype, rows, classes, deviation), {});
      }
    }
  }
}

TEST_P(SoftmaxSum, KeepsItsToleranceWithOffsetsTemperatureAndWeights) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 5 : 21;
      const Scores scores = Scores::normal(dtype, rows, classes, 6.0);
      std::vector<double> weights;
      for (std::int64_t i = 0; i < rows; ++i) weights.push_back(static_cast<double>(i % 4) * 0.37);
      for (const double reach : {1.0, 15.0, 900.0}) {
        const Offsets offsets = Offsets::uniform(classes, -reach, reach);
        expect_near_reference(scores, {offsets.params(), std::nullopt, std::nullopt});
        expect_near_reference(scores, {offsets.params(0.3), weights, std::nullopt});
      }
      const SoftmaxParams cold{3.0, nullptr, nullptr, false};
      expect_near_reference(scores, {cold, weights, std::nullopt});
    }
  }
}

TEST_P(SoftmaxSum, KeepsItsToleranceWithScales) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 5 : 21;
      const std::vector<double> scales = mixed_scales(classes);
      Scores scores = Scores::normal(dtype, rows, classes, 6.0);
      if (classes > 1) scores.set(1, classes / 3, -kInfinity);
      const Offsets offsets = Offsets::uniform(classes, -5.0, 5.0);
      expect_near_reference(scores, {with_scale({}, scales), std::nullopt, std::nullopt});
      expect_near_reference(scores,
                            {with_scale(offsets.params(0.3), scales), std::nullopt, std::nullopt});
      const Scores probabilities = Scores::probabilities(dtype, rows, classes);
      expect_near_reference(probabilities, {with_scale(offsets.params(1.0, true), scales),
                                            std::nullopt, std::nullopt});
    }
  }
}

TEST_P(SoftmaxSum, MaskedClassesGetNothingWhateverTheScale) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      if (classes < 3) continue;
      Scores scores = Scores::normal(dtype, 20, classes, 3.0);
      std::vector<double> scales(static_cast<std::size_t>(classes), 1.5);
      scales.front() = 0;
      scales.back() = -1;
      for (std::int64_t i = 0; i < 20; ++i) {
        scores.set(i, 0, -kInfinity);
        scores.set(i, classes - 1, -kInfinity);
      }
      const Result result =
          Result::of(scores, {with_scale({}, scales), std::nullopt, std::nullopt});
      ASSERT_EQ(result.returned, -1) << dtype_name(dtype) << " " << classes;
      EXPECT_EQ(result.sum.front(), 0.0);
      EXPECT_EQ(result.sum.back(), 0.0);
    }
  }
}

TEST_P(SoftmaxSum, KeepsItsToleranceForProbabilities) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 5 : 21;
      Scores scores = Scores::probabilities(dtype, rows, classes);
      if (classes > 1) scores.set(0, classes / 2, 0.0);
      const Offsets offsets = Offsets::uniform(classes, -9.0, 9.0);
      const SoftmaxParams plain{1.0, nullptr, nullptr, true};
      expect_near_reference(scores, {plain, std::nullopt, std::nullopt});
      expect_near_reference(scores, {offsets.params(1.0, true), std::nullopt, std::nullopt});
      expect_near_reference(scores, {offsets.params(0.5, true), std::nullopt, std::nullopt});
    }
  }
}

TEST_P(SoftmaxSum, KeepsItsToleranceFarFromZero) {
  for (const std::int64_t classes : kWidths) {
    for (const double level : {-1000.0, -90.0, -45.0, 60.0, 64.5, 90.0, 1000.0}) {
      Scores scores = Scores::normal(DType::kF32, 20, classes, 3.0);
      for (std::int64_t i = 0; i < 20; i += 3) {
        for (std::int64_t c = 0; c < classes; ++c) scores.set(i, c, scores.get(i, c) + level);
      }
      expect_near_reference(scores, {});
      const Offsets offsets = Offsets::uniform(classes, -9.0, 9.0);
      expect_near_reference(scores, {offsets.params(), std::nullopt, std::nullopt});
    }
  }
}

TEST_P(SoftmaxSum, HugeScoresWhoseSumOverflowsAreTreatedExactly) {
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64}) {
    for (const std::int64_t classes : {2, 10, 17, 100, 1000}) {
      Scores scores(dtype, 3, classes);
      scores.fill_row(0, 1e30);
      scores.fill_row(1, 3e38);
      scores.fill_row(2, -3e38);
      scores.set(2, 0, -kInfinity);
      const Result result = Result::of(scores);
      ASSERT_EQ(result.returned, -1);
      const double each = 1.0 / static_cast<double>(classes);
      for (std::int64_t c = 1; c < classes; ++c) {
        ASSERT_NEAR(result.sum[static_cast<std::size_t>(c)],
                    2 * each + 1.0 / static_cast<double>(classes - 1), 1e-5);
      }
      ASSERT_NEAR(result.sum[0], 2 * each, 1e-5);
      EXPECT_EQ(result.facts.sum[2], -std::numeric_limits<float>::infinity());
    }
  }
}

TEST_P(SoftmaxSum, MaskedClassesGetExactlyNothing) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      if (classes < 3) continue;
      Scores scores = Scores::normal(dtype, 20, classes, 3.0);
      Offsets offsets(std::vector<double>(static_cast<std::size_t>(classes), 0.25));
      offsets.f64[1] = -kInfinity;
      offsets.f32[1] = -std::numeric_limits<float>::infinity();
      for (std::int64_t i = 0; i < 20; ++i) scores.set(i, classes - 1, -kInfinity);
      for (const double inv_temperature : {1.0, 1.3}) {
        Inputs inputs{offsets.params(inv_temperature), std::nullopt, std::nullopt};
        inputs.labels = std::vector<std::int32_t>(20, static_cast<std::int32_t>(classes - 1));
        const Result result = Result::of(scores, inputs);
        ASSERT_EQ(result.returned, -1) << dtype_name(dtype) << " " << classes;
        EXPECT_EQ(result.sum[1], 0.0);
        EXPECT_EQ(result.sum.back(), 0.0);
        EXPECT_EQ(result.squares.back(), 0.0);
        EXPECT_EQ(result.own, std::vector<double>(20, 0.0));
        expect_near_reference(scores, inputs);
      }
    }
  }
}

TEST_P(SoftmaxSum, NamesTheFirstRowThatHoldsNaNOrInfinity) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 1000 ? 20 : 40;
      Scores scores = Scores::normal(dtype, rows, classes, 2.0);
      const Offsets offsets = Offsets::uniform(classes, -1.0, 1.0);
      for (const double bad : {kNaN, kInfinity}) {
        for (const std::int64_t row : {std::int64_t{0}, std::int64_t{5}, rows - 1}) {
          for (const std::int64_t c : {std::int64_t{0}, classes / 2, classes - 1}) {
            const double kept = scores.get(row, c);
            scores.set(row, c, bad);
            ASSERT_EQ(Result::of(scores).returned, row) << dtype_name(dtype) << " " << classes;
            const Inputs with_offsets{offsets.params(), std::nullopt, std::nullopt};
            ASSERT_EQ(Result::of(scores, with_offsets).returned, row);
            scores.set(row, c, kept);
          }
        }
      }
    }
  }
}

TEST_P(SoftmaxSum, NaNBesideMinusInfinityAndOverflowIsFound) {
  for (const std::int64_t classes : {4, 10, 100}) {
    Scores scores(DType::kF32, 18, classes);
    scores.fill_row(17, 3e38);
    scores.set(17, 0, -kInfinity);
    EXPECT_EQ(Result::of(scores).returned, -1);
    scores.set(17, 1, kNaN);
    EXPECT_EQ(Result::of(scores).returned, 17);
    scores.set(17, 1, kInfinity);
    EXPECT_EQ(Result::of(scores).returned, 17);
  }
}

TEST_P(SoftmaxSum, RefusesRowsWithoutAnyClassLeft) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      Scores scores = Scores::normal(dtype, 19, classes, 2.0);
      scores.fill_row(18, -kInfinity);
      EXPECT_EQ(Result::of(scores).returned, 18);
      Offsets offsets(std::vector<double>(static_cast<std::size_t>(classes), -kInfinity));
      EXPECT_EQ(Result::of(scores, {offsets.params(), std::nullopt, std::nullopt}).returned, 0);
    }
  }
}

TEST_P(SoftmaxSum, RefusesNegativeProbabilitiesAndRowsOfZeros) {
  const SoftmaxParams params{1.0, nullptr, nullptr, true};
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      for (const std::int64_t c : {std::int64_t{0}, classes / 2, classes - 1}) {
        Scores scores = Scores::probabilities(dtype, 19, classes);
        scores.set(17, c, -0.25);
        EXPECT_EQ(Result::of(scores, {params, std::nullopt, std::nullopt}).returned, 17);
      }
      Scores zeros = Scores::probabilities(dtype, 19, classes);
      zeros.fill_row(3, 0.0);
      EXPECT_EQ(Result::of(zeros, {params, std::nullopt, std::nullopt}).returned, 3);
    }
  }
}

TEST_P(SoftmaxSum, HandlesEveryNumberOfRows) {
  for (const std::int64_t classes : {3, 10, 20, 100}) {
    for (std::int64_t rows = 1; rows <= 40; ++rows) {
      expect_near_reference(Scores::normal(DType::kF32, rows, classes, 3.0), {});
    }
    expect_near_reference(Scores::normal(DType::kF32, 4096, classes, 3.0), {});
  }
}

TEST_P(SoftmaxSum, NoRowsChangeNothing) {
  Result result(0, 10);
  result.sum.assign(10, 0.3);
  result.add(Scores(DType::kF32, 0, 10), {}, nullptr, 0, 0);
  EXPECT_EQ(result.returned, -1);
  EXPECT_EQ(result.sum, std::vector<double>(10, 0.3));
}

TEST_P(SoftmaxSum, DoesNotDependOnHowRowsAreSplitOverCalls) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 1000 ? 37 : 201;
      Scores scores = Scores::normal(dtype, rows, classes, 4.0);
      scores.set(20, 0, 70.0);  // a row that is computed again
      Inputs inputs;
      inputs.labels = cycling_labels(rows, classes);
      const Result whole = Result::of(scores, inputs);
      for (const std::int64_t step : {5, 16, 48}) {
        Result parts(rows, classes);
        for (std::int64_t first = 0; first < rows; first += step) {
          parts.add(scores, inputs, scores.row(first), first, std::min(step, rows - first));
        }
        parts.expect_same_bits(whole);
      }
    }
  }
}

TEST_P(SoftmaxSum, DoesNotDependOnTheAlignmentOfTheScores) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 1000 ? 17 : 40;
      const Scores scores = Scores::normal(dtype, rows, classes, 4.0);
      const Result plain = Result::of(scores);
      const GuardedMemory memory(scores.bytes() + 64);
      for (const std::size_t shift : {item_size(dtype), std::size_t{24}, std::size_t{64}}) {
        std::memcpy(memory.at_begin() + shift, scores.data(), scores.bytes());
        Result moved(rows, classes);
        moved.add(scores, {}, memory.at_begin() + shift, 0, rows);
        moved.expect_same_bits(plain);
      }
    }
  }
}

TEST_P(SoftmaxSum, ReadsNothingOutsideTheScores) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      for (const std::int64_t rows : {1, 5, 16, 17, 32}) {
        if (classes > 1000 && rows > 5) continue;
        const Scores scores = Scores::normal(dtype, rows, classes, 1.0);
        const Offsets offsets = Offsets::uniform(classes, -1.0, 1.0);
        const GuardedMemory memory(scores.bytes());
        for (char* place : {memory.at_begin(), memory.at_end()}) {
          std::memcpy(place, scores.data(), scores.bytes());
          Result result(rows, classes);
          result.add(scores, {offsets.params(), std::nullopt, std::nullopt}, place, 0, rows);
          ASSERT_EQ(result.returned, -1);
        }
      }
    }
  }
}

TEST_P(SoftmaxSum, UnlabelledRowsOwnNothingAndWithoutLabelsOwnIsLeftAlone) {
  for (const std::int64_t classes : {10, 100}) {
    const Scores scores = Scores::normal(DType::kF32, 18, classes, 1.0);
    Inputs inputs;
    EXPECT_EQ(Result::of(scores, inputs).own, std::vector<double>(18, 7.0));
    inputs.labels = std::vector<std::int32_t>(18, -1);
    (*inputs.labels)[17] = 2;
    const Result result = Result::of(scores, inputs);
    EXPECT_EQ(result.own[0], 0.0);
    EXPECT_GT(result.own[17], 0.0);
  }
}

TEST_P(SoftmaxSum, OwnIsTheValueThatWasAdded) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : {10, 100}) {
      const Scores scores = Scores::normal(dtype, 1, classes, 2.0);
      Inputs inputs;
      inputs.labels = std::vector<std::int32_t>{7};
      inputs.weights = std::vector<double>{0.3};
      const Result result = Result::of(scores, inputs);
      EXPECT_EQ(result.own[0], result.sum[7]);
    }
  }
}

TEST_P(SoftmaxSum, LeavesTheFloatingPointEnvironmentAsItWas) {
  Result::of(Scores::normal(DType::kF32, 16, 10, 1.0));
  volatile float tiny = 1e-38f;
  volatile float tenth = 0.1f;
  EXPECT_GT(tiny * tenth, 0.0f);
}

}  // namespace
}  // namespace p2p::kernels::testing
