#include "kernels/weighted_sums.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernel_testing.hpp"

namespace p2p::kernels::testing {
namespace {

class AddWeightedRows : public EveryTarget {};
P2P_FOR_EVERY_TARGET(AddWeightedRows);

struct Sums {
  explicit Sums(std::int64_t classes)
      : plain(static_cast<std::size_t>(classes)), by_score(plain), by_square(plain) {}
  WeightedSums pointers() { return {plain.data(), by_score.data(), by_square.data()}; }
  std::vector<double> plain, by_score, by_square;
};

// Weights of rows and what is weighed, [rows, C].
struct Terms {
  Terms(std::int64_t rows, std::int64_t classes)
      : u(static_cast<std::size_t>(rows * classes)), weights(static_cast<std::size_t>(rows)) {
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = std::sin(static_cast<double>(i));
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<double>(i % 5) / 4;
  }
  std::vector<double> u, weights;
};

void expect_near(const std::vector<double>& values, const std::vector<double>& expected,
                 double size) {
  for (std::size_t c = 0; c < values.size(); ++c) {
    ASSERT_NEAR(values[c], expected[c], 1e-13 * size) << "class " << c;
  }
}

// score(row, class): s, or -inf where it is masked.
template <class Score>
void expect_plain_loops(const Scores& scores, ScoreTerms terms, const Score& score) {
  const std::int64_t rows = scores.rows();
  const std::int64_t classes = scores.classes();
  terms.scores = scores.data();
  terms.dtype = scores.dtype();
  const Terms these(rows, classes);
  Sums sums(classes), expected(classes);
  EXPECT_TRUE(add_weighted_rows(these.u.data(), terms, rows, classes, these.weights.data(),
                                sums.pointers()));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t c = 0; c < classes; ++c) {
      const double s = score(i, c);
      if (s == -kInfinity) continue;
      const double term = these.weights[static_cast<std::size_t>(i)] *
                          these.u[static_cast<std::size_t>(i * classes + c)];
      const auto at = static_cast<std::size_t>(c);
      expected.plain[at] += term;
      expected.by_score[at] += term * s;
      expected.by_square[at] += term * s * s;
    }
  }
  const auto n = static_cast<double>(rows);
  expect_near(sums.plain, expected.plain, n);
  expect_near(sums.by_score, expected.by_score, 20 * n);
  expect_near(sums.by_square, expected.by_square, 400 * n);
}

TEST_P(AddWeightedRows, AgreesWithPlainLoopsForEveryTypeAndWidth) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      Scores scores = Scores::normal(dtype, 37, classes, 5.0);
      if (classes > 1) scores.set(3, classes - 1, -kInfinity);
      expect_plain_loops(scores, {.factor = 0.75, .limit = 1e6},
                         [&](std::int64_t i, std::int64_t c) { return 0.75 * scores.get(i, c); });
    }
  }
}

TEST_P(AddWeightedRows, TakesTheLogarithmOfProbabilities) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      Scores scores = Scores::probabilities(dtype, 18, classes);
      scores.set(7, 0, 0);
      expect_plain_loops(
          scores, {.probabilities = true, .factor = 0.75, .limit = 1e6},
          [&](std::int64_t i, std::int64_t c) { return 0.75 * std::log(scores.get(i, c)); });
    }
  }
}

TEST_P(AddWeightedRows, CutsScoresBeyondTheLimitAndSaysSo) {
  Scores scores(DType::kF32, 2, 3);
  for (std::int64_t c = 0; c < 3; ++c) scores.set(0, c, static_cast<double>(c) - 1);
  scores.set(1, 0, -9);
  scores.set(1, 1, -kInfinity);
  scores.set(1, 2, 9);
  const std::vector<double> u(6, 1.0), weights(2, 1.0);
  const ScoreTerms terms{.scores = scores.data(), .dtype = DType::kF32, .factor = 2, .limit = 6};
  Sums sums(3);
  EXPECT_TRUE(add_weighted_rows(u.data(), terms, 1, 3, weights.data(), sums.pointers()));
  EXPECT_EQ(sums.by_score, (std::vector<double>{-2, 0, 2}));
  sums = Sums(3);
  EXPECT_FALSE(add_weighted_rows(u.data(), terms, 2, 3, weights.data(), sums.pointers()));
  EXPECT_EQ(sums.plain, (std::vector<double>{2, 1, 2}));
  EXPECT_EQ(sums.by_score, (std::vector<double>{-8, 0, 8}));
  EXPECT_EQ(sums.by_square, (std::vector<double>{40, 0, 40}));
}

TEST_P(AddWeightedRows, AddsTheSameBitsHoweverRowsAreSplit) {
  const Scores scores = Scores::normal(DType::kF16, 50, 33, 5.0);
  const Terms these(50, 33);
  Sums whole(33), split(33);
  ScoreTerms terms{.scores = scores.data(), .dtype = DType::kF16, .factor = 0.3, .limit = 100};
  add_weighted_rows(these.u.data(), terms, 50, 33, these.weights.data(), whole.pointers());
  std::int64_t first = 0;
  for (const std::int64_t count : {1, 20, 7, 22}) {
    terms.scores = scores.row(first);
    add_weighted_rows(these.u.data() + first * 33, terms, count, 33, these.weights.data() + first,
                      split.pointers());
    first += count;
  }
  EXPECT_EQ(split.plain, whole.plain);
  EXPECT_EQ(split.by_score, whole.by_score);
  EXPECT_EQ(split.by_square, whole.by_square);
}

}  // namespace
}  // namespace p2p::kernels::testing
