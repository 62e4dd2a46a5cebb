#include "kernels/exponentials.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernel_testing.hpp"

namespace p2p::kernels::testing {
namespace {

class Exponentials : public EveryTarget {};
P2P_FOR_EVERY_TARGET(Exponentials);

/// What the kernel wrote, whatever its type.
struct Result {
  Result(const Scores& scores, const SoftmaxParams& params)
      : stride(exponentials_stride(scores.classes())),
        f32(exponentials_in_f32(scores.dtype(), params)),
        facts(scores.rows()),
        summaries(static_cast<std::size_t>(scores.rows())) {
    const auto size = static_cast<std::size_t>(scores.rows() * stride);
    std::vector<double> out(size, NAN), row(static_cast<std::size_t>(stride));
    refused = exponentials(scores.data(), scores.dtype(), scores.rows(), scores.classes(), params,
                           out.data(), summaries.data(), facts.pointers(), row.data());
    for (std::size_t i = 0; i < size; ++i) {
      float narrow = 0;
      std::memcpy(&narrow, reinterpret_cast<const char*>(out.data()) + i * sizeof(float),
                  sizeof(float));
      e.push_back(f32 ? static_cast<double>(narrow) : out[i]);
    }
  }
  std::int64_t stride;
  bool f32;
  Facts facts;
  std::vector<RowSummary> summaries;
  std::vector<double> e;
  std::int64_t refused = -1;
};

double bound(const Result& result) { return result.f32 ? kSoftmaxTolerance : kSoftmaxToleranceF64; }

// Posteriors by a plain loop in long double.
void expect_posteriors(const Scores& scores, const SoftmaxParams& params) {
  const Result result(scores, params);
  ASSERT_EQ(result.refused, -1);
  const std::int64_t classes = scores.classes();
  for (std::int64_t i = 0; i < scores.rows(); ++i) {
    const RowSummary& summary = result.summaries[static_cast<std::size_t>(i)];
    const auto x = [&](std::int64_t c) {
      const auto s = static_cast<long double>(scores.get(i, c));
      const long double mask = params.offset == nullptr ? 0.0L : params.offset[c];
      return (params.probabilities ? std::log(s) : s) * params.inv_temperature + mask;
    };
    std::int64_t best = 0;
    for (std::int64_t c = 1; c < classes; ++c) best = x(c) > x(best) ? c : best;
    long double rest = 0, squares = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      if (c == best) continue;
      rest += std::exp(x(c) - x(best));
      squares += std::exp(2 * (x(c) - x(best)));
    }
    ASSERT_EQ(summary.best, best);
    const double tolerance = bound(result);
    const double unit = result.f32 ? 0x1p-20 : 1;  // in double 1 is taken off a sum
    ASSERT_NEAR(summary.rest, static_cast<double>(rest),
                tolerance * (unit + static_cast<double>(rest)));
    ASSERT_NEAR(summary.squares, static_cast<double>(squares),
                2 * tolerance * (unit + static_cast<double>(squares)));
    const std::vector above(summary.above, summary.above + summary.above_count);
    for (std::int64_t c = 0; c < result.stride; ++c) {
      const double e = result.e[static_cast<std::size_t>(i * result.stride + c)];
      if (c >= classes) {
        ASSERT_EQ(e, 0.0);
        continue;
      }
      const auto p = static_cast<double>(std::exp(x(c) - x(best)) / (1 + rest));
      ASSERT_NEAR(e / (1 + summary.rest), p, tolerance * std::max(p, 0x1p-20))
          << dtype_name(scores.dtype()) << " C=" << classes << " row " << i << " class " << c;
      const auto listed = std::ranges::count(above, static_cast<std::int32_t>(c));
      if (p > 1 / 15.0) {
        ASSERT_EQ(listed, 1);
      } else if (p < kAbove * (1 - tolerance)) {
        ASSERT_EQ(listed, 0);
      }
    }
    ASSERT_TRUE(std::ranges::is_sorted(above));
  }
}

TEST_P(Exponentials, KeepTheToleranceForEveryTypeWidthAndKind) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 3 : 17;
      const Scores scores = Scores::normal(dtype, rows, classes, 4.0);
      expect_posteriors(scores, {});
      SoftmaxParams params;
      params.inv_temperature = 0.7;
      expect_posteriors(scores, params);
      params.probabilities = true;
      const Scores probabilities = Scores::probabilities(dtype, rows, classes);
      expect_posteriors(probabilities, params);
      params.inv_temperature = 1;
      expect_posteriors(probabilities, params);
    }
  }
}

TEST_P(Exponentials, OfMaskedClassesAreZero) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : {3, 16, 33, 1000}) {
      Scores scores = Scores::normal(dtype, 4, classes, 3.0);
      scores.set(1, 0, -kInfinity);
      scores.set(2, classes - 1, -kInfinity);
      expect_posteriors(scores, {});
      std::vector<double> mask(static_cast<std::size_t>(classes));
      mask[1] = -kInfinity;
      expect_posteriors(scores, Offsets(mask).params());
    }
  }
}

TEST_P(Exponentials, AreThoseOfLogitsAtAnyHeight) {
  for (const double height : {-1e4, -300.0, 300.0, 1e4}) {
    Scores scores = Scores::normal(DType::kF32, 3, 50, 3.0);
    for (std::int64_t i = 0; i < 150; ++i) scores.set(i, scores.get(0, i) + height);
    expect_posteriors(scores, {});
  }
}

TEST_P(Exponentials, OfOneValueMakeAUniformPosterior) {
  for (const std::int64_t classes : {1, 2, 14, 17, 1000}) {
    Scores scores(DType::kF32, 2, classes);
    scores.fill_row(0, -3);
    scores.fill_row(1, 3e38);
    const Result result(scores, {});
    EXPECT_EQ(result.summaries[1].best, 0);
    EXPECT_NEAR(result.summaries[0].rest, static_cast<double>(classes - 1), 1e-3);
    EXPECT_EQ(result.e[0], 1);
    EXPECT_EQ(result.summaries[1].above_count, classes < 15 ? classes : 0);
  }
}

TEST_P(Exponentials, KeepTheDigitsOfASmallRest) {
  for (const std::int64_t best : {0, 20, 39}) {
    Scores scores(DType::kF32, 1, 40);
    scores.fill_row(0, 0);
    scores.set(0, best, 30);
    const Result result(scores, {});
    EXPECT_NEAR(result.summaries[0].rest / (39 * std::exp(-30)), 1, result.f32 ? 1e-6 : 1e-2);
  }
}

TEST_P(Exponentials, NameTheFirstRefusedRow) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : {5, 40}) {
      for (const double bad : {kNaN, kInfinity}) {
        for (const std::int64_t c : {std::int64_t{0}, classes - 1}) {
          Scores scores = Scores::normal(dtype, 5, classes, 1.0);
          scores.set(3, c, bad);
          EXPECT_EQ(Result(scores, {}).refused, 3);
        }
      }
      Scores masked = Scores::normal(dtype, 5, classes, 1.0);
      masked.fill_row(2, -kInfinity);
      EXPECT_EQ(Result(masked, {}).refused, 2);
      Scores negative = Scores::probabilities(dtype, 5, classes);
      negative.set(4, 1, -0.25);
      SoftmaxParams probabilities;
      probabilities.probabilities = true;
      EXPECT_EQ(Result(negative, probabilities).refused, 4);
      negative.fill_row(1, 0);
      EXPECT_EQ(Result(negative, probabilities).refused, 1);
    }
  }
}

TEST_P(Exponentials, GiveTheFactsOfTheRawRows) {
  for (const DType dtype : kTypes) {
    const Scores scores = Scores::normal(dtype, 4, 37, 2.0);
    Result result(scores, {});
    for (std::int64_t i = 0; i < 4; ++i) {
      double max = -kInfinity, sum = 0;
      for (std::int64_t c = 0; c < 37; ++c) {
        max = std::max(max, scores.get(i, c));
        sum += scores.get(i, c);
      }
      EXPECT_EQ(result.facts.max[static_cast<std::size_t>(i)], static_cast<float>(max));
      EXPECT_NEAR(result.facts.sum[static_cast<std::size_t>(i)], sum, 1e-4);
    }
  }
}

TEST_P(Exponentials, StayInsideTheirMemory) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : {1, 5, 16, 17, 100}) {
      const Scores scores = Scores::normal(dtype, 3, classes, 1.0);
      const GuardedMemory in(scores.bytes());
      std::memcpy(in.at_end(), scores.data(), scores.bytes());
      const std::int64_t stride = exponentials_stride(classes);
      const auto size = static_cast<std::size_t>(3 * stride) *
                        (exponentials_in_f32(dtype, {}) ? sizeof(float) : sizeof(double));
      const GuardedMemory out(size);
      std::vector<double> row(static_cast<std::size_t>(stride));
      std::vector<RowSummary> summaries(3);
      Facts facts(3);
      EXPECT_EQ(exponentials(in.at_end(), dtype, 3, classes, {}, out.at_end(), summaries.data(),
                             facts.pointers(), row.data()),
                -1);
    }
  }
}

TEST_P(Exponentials, AddUpByColumnAndByRow) {
  for (const std::int64_t stride : {16, 48, 1008}) {
    std::vector<float> narrow(static_cast<std::size_t>(5 * stride));
    for (std::size_t i = 0; i < narrow.size(); ++i) narrow[i] = static_cast<float>(i * 7 % 31) / 8;
    const std::vector<double> wide(narrow.begin(), narrow.end());
    const std::vector<double> weights = {0.5, 0, 2, 1, 0.25};
    for (const bool f32 : {true, false}) {
      const void* e = f32 ? static_cast<const void*>(narrow.data()) : wide.data();
      std::vector<double> sums(static_cast<std::size_t>(stride), 1.0);
      std::vector<float> row_sums(sums.size(), 1.0F);
      add_columns(e, f32, 5, stride, weights.data(), sums.data());
      add_row(e, f32, stride, 2.0F, row_sums.data());
      for (std::size_t c = 0; c < sums.size(); ++c) {
        double expected = 1;
        for (std::size_t i = 0; i < 5; ++i) {
          expected += weights[i] * wide[i * static_cast<std::size_t>(stride) + c];
        }
        ASSERT_EQ(sums[c], expected);
        ASSERT_EQ(row_sums[c], 1 + 2 * narrow[c]);
      }
    }
  }
}

}  // namespace
}  // namespace p2p::kernels::testing
