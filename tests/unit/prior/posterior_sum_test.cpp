#include "p2p/posterior_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/kernels.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"
#include "support/naive_prior.hpp"

namespace p2p {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Data {
  std::int64_t rows = 0, classes = 0;
  std::vector<double> scores, weights;
  std::vector<std::int32_t> labels;
};

Data random_data(std::int64_t rows, std::int64_t classes, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 3);
  std::uniform_real_distribution<double> uniform(0, 2);
  Data data{rows, classes, {}, {}, {}};
  for (std::int64_t i = 0; i < rows * classes; ++i) data.scores.push_back(normal(random));
  for (std::int64_t i = 0; i < rows; ++i) {
    const bool left_out = i % 11 == 3;
    data.weights.push_back(left_out ? 0 : uniform(random));
    data.labels.push_back(
        left_out ? -1 : static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(classes)));
  }
  return data;
}

enum Parts : unsigned { kPlain = 0, kWeights = 1, kLabels = 2, kBoth = 3 };

// Feeds all rows in batches of `batch`.
PosteriorSum summed(const Data& data, DType dtype, const PosteriorModel& model,
                    Parts parts = kPlain, std::int64_t batch = 1 << 20) {
  const auto bytes = test::encoded(data.scores, dtype);
  const auto row_bytes = data.classes * static_cast<std::int64_t>(item_size(dtype));
  PosteriorSum sums(data.classes, model);
  for (std::int64_t first = 0; first < data.rows; first += batch) {
    sums.update({.data = static_cast<const char*>(bytes.get()) + first * row_bytes,
                 .dtype = dtype,
                 .count = std::min(batch, data.rows - first),
                 .weights = (parts & kWeights) != 0 ? data.weights.data() + first : nullptr,
                 .labels = (parts & kLabels) != 0 ? data.labels.data() + first : nullptr,
                 .first_row = first});
  }
  sums.end_block();
  return sums;
}

void expect_same(const PosteriorSum& a, const PosteriorSum& b) {
  const PosteriorSum::State x = a.save();
  const PosteriorSum::State y = b.save();
  EXPECT_EQ(x.rows, y.rows);
  EXPECT_EQ(x.label_rows, y.label_rows);
  EXPECT_EQ(x.posterior, y.posterior);
  EXPECT_EQ(x.posterior_squared, y.posterior_squared);
  EXPECT_EQ(x.own_class, y.own_class);
}

struct Case {
  DType dtype;
  std::int64_t classes;
};
std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  return std::string(dtype_name(info.param.dtype)) + "_" + std::to_string(info.param.classes);
}

class PosteriorSums : public ::testing::TestWithParam<Case> {};

TEST_P(PosteriorSums, AgreeWithNaiveFloat64) {
  const auto [dtype, classes] = GetParam();
  Data data = random_data(kBlockRows + 300, classes);
  data.scores = test::rounded(data.scores, dtype);
  data.scores[1] = -kInf;
  std::vector<double> offset(static_cast<std::size_t>(classes));
  for (std::size_t c = 0; c < offset.size(); ++c) offset[c] = std::sin(static_cast<double>(c));
  const double tolerance =
      dtype == DType::kF64 ? kernels::kSoftmaxToleranceF64 : kernels::kSoftmaxTolerance;
  for (const double temperature : {1.0, 2.5}) {
    for (const auto& b : {std::vector<double>{}, offset}) {
      for (const Parts parts : {kPlain, kWeights, kLabels, kBoth}) {
        const PosteriorSum sums = summed(data, dtype, {ScoreKind::kLogits, temperature, b}, parts);
        const test::Sums expected = test::naive_sums(
            data.scores, static_cast<std::size_t>(classes), {ScoreKind::kLogits, temperature, b},
            (parts & kWeights) != 0 ? data.weights : std::vector<double>{},
            (parts & kLabels) != 0 ? data.labels : std::vector<std::int32_t>{});
        const std::vector<double> posterior = sums.posterior();
        const std::vector<double> squared = sums.posterior_squared();
        const std::vector<double> own = sums.own_class();
        for (std::size_t c = 0; c < posterior.size(); ++c) {
          // A posterior errs by tolerance * max(p, 2^-20); sums of N rows of weight below 2 by:
          const double tiny = tolerance * 0x1p-20 * 2 * static_cast<double>(data.rows);
          EXPECT_NEAR(posterior[c], expected.posterior[c],
                      2 * tolerance * expected.posterior[c] + tiny);
          EXPECT_NEAR(squared[c], expected.squared[c], 4 * tolerance * expected.squared[c] + tiny);
          EXPECT_NEAR(own[c], expected.own[c], 2 * tolerance * expected.own[c] + tiny);
        }
      }
    }
  }
}

TEST_P(PosteriorSums, AgreeForProbabilitiesAndTheirLogarithms) {
  const auto [dtype, classes] = GetParam();
  const auto width = static_cast<std::size_t>(classes);
  const Data data = random_data(500, classes);
  Data probs = data, log_probs = data;
  for (std::size_t i = 0; i < data.scores.size(); i += width) {
    const std::vector<double> p = test::naive_posterior(data.scores.data() + i, width);
    for (std::size_t c = 0; c < width; ++c) {
      probs.scores[i + c] = p[c];
      log_probs.scores[i + c] = std::log(p[c]);
    }
  }
  const double tolerance = dtype == DType::kF64   ? 1e-12
                           : dtype == DType::kF32 ? 1e-5
                           : dtype == DType::kF16 ? 3e-3
                                                  : 2e-2;
  const auto expected = summed(data, DType::kF64, {}).posterior();
  const auto from_probs = summed(probs, dtype, {ScoreKind::kProbs, 1, {}}).posterior();
  const auto from_logs = summed(log_probs, dtype, {ScoreKind::kLogProbs, 1, {}}).posterior();
  for (std::size_t c = 0; c < width; ++c) {
    EXPECT_NEAR(from_probs[c], expected[c], tolerance * (1 + expected[c]));
    EXPECT_NEAR(from_logs[c], expected[c], tolerance * (1 + expected[c]));
  }
}

TEST_P(PosteriorSums, HaveTheSameBitsForAnyBatching) {
  const auto [dtype, classes] = GetParam();
  const Data data = random_data(2 * kBlockRows + 77, classes);
  for (const Parts parts : {kPlain, kWeights, kLabels, kBoth}) {
    const PosteriorSum whole = summed(data, dtype, {}, parts);
    for (const std::int64_t batch : {1, 5, 16, 17, 100, 4095, 4096, 4097}) {
      if (batch < 16 && parts != kBoth) continue;
      expect_same(whole, summed(data, dtype, {}, parts, batch));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, PosteriorSums,
                         ::testing::Values(Case{DType::kF16, 10}, Case{DType::kF16, 33},
                                           Case{DType::kBF16, 10}, Case{DType::kF32, 2},
                                           Case{DType::kF32, 10}, Case{DType::kF32, 100},
                                           Case{DType::kF64, 3}, Case{DType::kF64, 40}),
                         case_name);

TEST(PosteriorSum, CountsRowsOfPositiveWeight) {
  Data data = random_data(22, 3);
  std::iota(data.labels.begin(), data.labels.end(), 0);
  for (auto& label : data.labels) label %= 3;
  data.labels[3] = data.labels[14] = -1;
  const PosteriorSum sums = summed(data, DType::kF32, {}, kBoth);
  EXPECT_EQ(sums.rows(), 20);
  const std::vector<std::int64_t> label_rows = sums.label_rows();
  EXPECT_EQ(std::accumulate(label_rows.begin(), label_rows.end(), std::int64_t{0}), 20);
  EXPECT_EQ(label_rows[0], 7);  // 0, 6, 9, ... of 22 without row 3
}

TEST(PosteriorSum, GivesAMaskedClassExactlyNothing) {
  Data data{3, 2, {1, -kInf, 2, -kInf, -5, -kInf}, {}, {}};
  const std::vector<double> posterior = summed(data, DType::kF32, {}).posterior();
  EXPECT_NEAR(posterior[0], 3, 3 * kernels::kSoftmaxTolerance);
  EXPECT_EQ(posterior[1], 0);
}

TEST(PosteriorSum, GivesAClassThatTheOffsetRulesOutNothing) {
  Data data{2, 2, {1, 50, 2, 70}, {}, {}};
  const std::vector<double> posterior =
      summed(data, DType::kF32, {ScoreKind::kLogits, 1, {0, -kInf}}).posterior();
  EXPECT_NEAR(posterior[0], 2, 2 * kernels::kSoftmaxTolerance);
  EXPECT_EQ(posterior[1], 0);
}

TEST(PosteriorSum, ContinuesFromASavedState) {
  const Data data = random_data(3 * kBlockRows, 5);
  const PosteriorSum sums = summed(data, DType::kF32, {}, kBoth);
  const PosteriorSum loaded = PosteriorSum::load(sums.save());
  expect_same(sums, loaded);
  EXPECT_EQ(loaded.posterior(), sums.posterior());
  EXPECT_EQ(loaded.rows(), sums.rows());
}

TEST(PosteriorSum, MergesInAnyOrder) {
  const PosteriorSum a = summed(random_data(5000, 4, 1), DType::kF32, {}, kBoth);
  const PosteriorSum b = summed(random_data(4096, 4, 2), DType::kF16, {}, kLabels);
  const PosteriorSum c = summed(random_data(77, 4, 3), DType::kF64, {});
  const auto merged = [](const PosteriorSum& x, const PosteriorSum& y, const PosteriorSum& z) {
    PosteriorSum sums = PosteriorSum::load(x.save());
    sums.merge(y);
    sums.merge(z);
    return sums;
  };
  expect_same(merged(a, b, c), merged(c, b, a));
  PosteriorSum right = PosteriorSum::load(b.save());
  right.merge(c);
  PosteriorSum nested = PosteriorSum::load(a.save());
  nested.merge(right);
  expect_same(merged(a, b, c), nested);
}

TEST(PosteriorSum, MergedBlocksEqualOnePass) {
  const Data data = random_data(2 * kBlockRows + 9, 6);
  const auto part = [&](std::int64_t first, std::int64_t count) {
    Data piece{count, 6, {}, {}, {}};
    piece.scores.assign(data.scores.begin() + first * 6, data.scores.begin() + (first + count) * 6);
    return summed(piece, DType::kF32, {});
  };
  PosteriorSum sums = part(kBlockRows, kBlockRows);
  sums.merge(part(2 * kBlockRows, 9));
  sums.merge(part(0, kBlockRows));
  expect_same(summed(data, DType::kF32, {}), sums);
}

TEST(PosteriorSum, RefusesToMergeOtherClasses) {
  PosteriorSum a(3, {});
  test::expect_usage({"different numbers of classes"}, [&] { a.merge(PosteriorSum(4, {})); });
}

TEST(PosteriorSum, RefusesAStateOfUnequalLengths) {
  PosteriorSum::State state = summed(random_data(5, 3), DType::kF32, {}).save();
  state.own_class.pop_back();
  test::expect_bad_data({"length"}, [&] { PosteriorSum::load(state); });
}

TEST(PosteriorSum, NamesFileRowAndColumnOfABadScore) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    for (const std::int64_t batch : {1, 16, 50, 5000}) {
      for (const std::int64_t bad_row : {0, 15, 16, 300, 4200}) {
        Data data = random_data(4300, 10);
        data.scores[static_cast<std::size_t>(bad_row * 10 + 7)] = kNaN;
        test::expect_bad_data(
            {"'scores'", ("row " + std::to_string(bad_row) + ", column 7").c_str(), "NaN"},
            [&] { summed(data, dtype, {}, kPlain, batch); });
      }
    }
  }
}

TEST(PosteriorSum, NamesTheSourceGiven) {
  const std::string name = "train.npy";
  const std::vector<float> row = {1, std::numeric_limits<float>::infinity()};
  PosteriorSum sums(2, {});
  test::expect_bad_data({"'train.npy', row 12, column 1", "+inf"}, [&] {
    sums.update(
        {.data = row.data(), .dtype = DType::kF32, .count = 1, .name = &name, .first_row = 12});
    sums.end_block();
  });
}

TEST(PosteriorSum, RefusesRowsOfAnotherKind) {
  Data data = random_data(100, 4);
  test::expect_bad_data({"row 0"}, [&] { summed(data, DType::kF32, {ScoreKind::kProbs, 1, {}}); });
}

TEST(PosteriorSum, RefusesWeightsBeyondItsRange) {
  Data data = random_data(10, 2);
  data.weights.assign(10, 1e14);
  test::expect_bad_data({"weights"}, [&] { summed(data, DType::kF32, {}, kWeights); });
}

TEST(PosteriorSum, CopiesGoOnByThemselves) {
  const Data data = random_data(300, 7);
  PosteriorSum sums = summed(data, DType::kF64, {});
  const std::vector<double> before = sums.posterior();
  PosteriorSum copy = sums;
  copy.update({.data = data.scores.data(), .dtype = DType::kF64, .count = 10});
  EXPECT_EQ(copy.open_rows(), 10);
  PosteriorSum assigned(7, {});
  assigned = copy;
  assigned.end_block();
  EXPECT_EQ(assigned.rows(), 310);
  EXPECT_EQ(sums.rows(), 300);
  EXPECT_EQ(sums.posterior(), before);
}

TEST(PosteriorSum, TotalsMadeElsewhereAreItsSums) {
  const Data data = random_data(300, 7);
  const PosteriorSum sums = summed(data, DType::kF64, {}, kBoth);
  const PosteriorSum same = PosteriorSum::of_totals(
      sums.rows(), sums.label_rows(), sums.posterior(), sums.posterior_squared(), sums.own_class());
  EXPECT_EQ(same.rows(), sums.rows());
  EXPECT_EQ(same.label_rows(), sums.label_rows());
  for (std::size_t c = 0; c < 7; ++c) {
    EXPECT_NEAR(same.posterior()[c], sums.posterior()[c], 1e-12);
    EXPECT_NEAR(same.posterior_squared()[c], sums.posterior_squared()[c], 1e-12);
    EXPECT_NEAR(same.own_class()[c], sums.own_class()[c], 1e-12);
  }
}

TEST(PosteriorSum, RefusesTotalsThatAreNoSums) {
  const std::vector<std::int64_t> rows = {1, 1};
  const auto total = [&](std::vector<double> posterior, std::vector<double> squared) {
    PosteriorSum::of_totals(2, rows, posterior, squared, {0, 0});
  };
  test::expect_bad_data({"finite"}, [&] { total({1, kNaN}, {0, 0}); });
  test::expect_bad_data({"at least 0"}, [&] { total({1, -1}, {0, 0}); });
  test::expect_bad_data({"per class"}, [&] { total({1, 1}, {0}); });
}

}  // namespace
}  // namespace p2p
