#include "correction/blended_source.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "support/expect_error.hpp"
#include "support/matrices.hpp"

namespace p2p::correction {
namespace {

using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();

Values all_rows(const ScoreSet& set) {
  Values values;
  for (const auto& source : set.sources()) {
    Values part(static_cast<std::size_t>(source->rows() * source->classes()));
    source->read(0, source->rows(), part.data());
    values.insert(values.end(), part.begin(), part.end());
  }
  return values;
}

TEST(BlendedSource, IsTheSumOfBothModelsEachDividedByItsTemperature) {
  ScoreSet first = test::scores({1, 2, 3, 4}, 2, DType::kF16);
  ScoreSet second = test::scores({8, -4, 0.5, 1}, 2, DType::kF32);
  const ScoreSet sum = blend({.scores = &first, .temperature = 2, .scale = {1, -1}},
                             {.scores = &second, .temperature = 0.5});
  EXPECT_EQ(sum.dtype(), DType::kF64);
  EXPECT_EQ(sum.rows(), 2);
  EXPECT_EQ(all_rows(sum), (Values{16.5, -9, 2.5, 0}));
}

TEST(BlendedSource, TakesProbabilitiesAsLogarithmsAndLogProbabilitiesAsTheyAre) {
  ScoreSet first = test::scores({0.25, 0.75, 1, 0}, 2);
  ScoreSet second = test::scores({std::log(0.5), std::log(0.5), -kInf, 0}, 2);
  const Values x = all_rows(blend({.scores = &first, .kind = ScoreKind::kProbs},
                                  {.scores = &second, .kind = ScoreKind::kLogProbs}));
  EXPECT_NEAR(x[1] - x[0], std::log(3.0), 1e-15);
  EXPECT_EQ(x[2], -kInf);
  EXPECT_EQ(x[3], -kInf);
}

TEST(BlendedSource, MasksWhatEitherMasks) {
  ScoreSet first = test::scores({-kInf, 2, 3}, 3);
  ScoreSet second = test::scores({1, 2, -kInf}, 3);
  EXPECT_EQ(all_rows(blend({.scores = &first, .scale = {-1, 1, 1}}, {.scores = &second})),
            (Values{-kInf, 4, -kInf}));
}

TEST(BlendedSource, KeepsTheFilesOfTheFirstModelWhateverThoseOfTheSecond) {
  ScoreSet first = test::set_of(test::source({1, 2, 3}, 1, DType::kF64, "a.npy"),
                                test::source({4}, 1, DType::kF64, "b.npy"));
  ScoreSet second = test::set_of(test::source({10}, 1), test::source({20, 30, 40}, 1));
  const ScoreSet sum = blend({.scores = &first}, {.scores = &second});
  ASSERT_EQ(sum.sources().size(), 2U);
  EXPECT_EQ(sum.sources()[0]->rows(), 3);
  EXPECT_EQ(sum.sources()[1]->name(), "b.npy");
  EXPECT_EQ(all_rows(sum), (Values{11, 22, 33, 44}));
}

TEST(BlendedSource, ReadsRowsInTheMiddleAndManyAtOnce) {
  Values values(50000 * 3);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 977);
  ScoreSet first = test::scores(values, 3);
  ScoreSet second = test::scores(values, 3, DType::kF32);
  const ScoreSet sum = blend({.scores = &first}, {.scores = &second});
  Values twice(values);
  for (double& v : twice) v *= 2;
  EXPECT_EQ(all_rows(sum), twice);
  Values part(6);
  sum.sources()[0]->read(40000, 2, part.data());
  EXPECT_EQ(part, Values(twice.begin() + 120000, twice.begin() + 120006));
}

TEST(BlendedSource, ReadsAStreamOnceAndForwards) {
  ScoreSet first = test::scores({1, 2, 3, 4}, 1);
  auto stream = std::make_unique<test::StreamSource>(Values{10, 20, 30, 40}, 1);
  const test::StreamSource& seen = *stream;
  ScoreSet second = test::set_of(std::move(stream));
  const ScoreSet sum = blend({.scores = &first}, {.scores = &second});
  EXPECT_FALSE(sum.random_access());
  EXPECT_FALSE(sum.rewindable());
  Values x(4);
  sum.sources()[0]->read(0, 3, x.data());
  sum.sources()[0]->read(3, 1, x.data() + 3);
  EXPECT_EQ(x, (Values{11, 22, 33, 44}));
  EXPECT_FALSE(seen.went_backwards());
}

TEST(BlendedSource, RefusesOtherRowsOrClasses) {
  ScoreSet first = test::scores({1, 2, 3, 4}, 2, DType::kF64, "one.npy");
  ScoreSet fewer = test::scores({1, 2}, 2, DType::kF64, "two.npy");
  test::expect_bad_data({"'two.npy' holds 1 rows", "'one.npy' holds 2", "same rows"},
                        [&] { blend({.scores = &first}, {.scores = &fewer}); });
  ScoreSet wider = test::scores({1, 2, 3, 4}, 4, DType::kF64, "two.npy");
  test::expect_bad_data({"'two.npy' has 4 classes", "'one.npy' has 2", "same classes"},
                        [&] { blend({.scores = &first}, {.scores = &wider}); });
}

TEST(BlendedSource, NamesABadRowByItsOwnFile) {
  ScoreSet first = test::scores({1, 2, 3, 4, 5, 6}, 2, DType::kF64, "one.npy");
  ScoreSet second =
      test::set_of(test::source({1, 2}, 2, DType::kF64, "two-a.npy"),
                   test::source({1, 2, 3, std::nan("")}, 2, DType::kF64, "two-b.npy"));
  test::expect_bad_data({"'two-b.npy', row 1, column 1", "NaN"},
                        [&] { all_rows(blend({.scores = &first}, {.scores = &second})); });
}

TEST(BlendedSource, RefusesRowsOfAnotherKindThanSaid) {
  ScoreSet first = test::scores({1, 2}, 2);
  ScoreSet second = test::scores({0.4, 3}, 2, DType::kF64, "two.npy");
  test::expect_bad_data({"two.npy", "row 0", "probabilities"}, [&] {
    all_rows(blend({.scores = &first}, {.scores = &second, .kind = ScoreKind::kProbs}));
  });
}

}  // namespace
}  // namespace p2p::correction
