#include "metrics/tv_interval.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace p2p {
namespace {

using Values = std::vector<double>;

// A long tail, IF 100.
Values long_tail(std::size_t classes) {
  Values counts(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    counts[c] = std::pow(100.0, -static_cast<double>(c) / static_cast<double>(classes - 1));
  }
  return normalised(counts, "counts");
}

double variation(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += std::abs(a[c] - b[c]);
  return sum / 2;
}

// The share of `towards` that puts the mixture at this total variation from pi.
Values mixed(const Values& pi, const Values& towards, double tv) {
  const double share = tv / variation(pi, towards);
  Values q(pi);
  for (std::size_t c = 0; c < q.size(); ++c) q[c] += share * (towards[c] - pi[c]);
  return q;
}

Values flat(std::size_t classes) { return Values(classes, 1 / static_cast<double>(classes)); }

Values last_class(std::size_t classes) {
  Values result(classes, 0);
  result.back() = 1;
  return result;
}

// Rows p = sharpness e_y + (1 - sharpness) q, y drawn from q: their mean is q.
ClassPrior sampled(const Values& pi, const Values& q, int rows, double sharpness,
                   std::mt19937_64& random) {
  ClassPrior prior;
  prior.n_rows = rows;
  prior.empirical = pi;
  int left = rows;
  double rest = 1;
  const double n = rows;
  for (const double share : q) {
    const int drawn = std::binomial_distribution<int>(left, std::min(1.0, share / rest))(random);
    left -= drawn;
    rest = std::max(rest - share, 1e-300);
    const double frequency = drawn / n;
    const double mean = sharpness * frequency + (1 - sharpness) * share;
    const double error = sharpness * std::sqrt(frequency * (1 - frequency) / (n - 1));
    prior.effective.push_back(mean);
    prior.log_q_stderr.push_back(mean > 0 ? error / mean
                                          : std::numeric_limits<double>::quiet_NaN());
  }
  return prior;
}

double coverage(const Values& pi, const Values& q, int rows, double sharpness) {
  constexpr int kDraws = 400;
  std::mt19937_64 random(20);
  const double truth = variation(q, pi);
  int covered = 0;
  for (int i = 0; i < kDraws; ++i) {
    const ClassPrior prior = sampled(pi, q, rows, sharpness, random);
    const Interval ci = tv_interval(prior, variation(prior.effective, pi));
    covered += ci.low <= truth + 1e-12 && truth <= ci.high + 1e-12;
  }
  return static_cast<double>(covered) / kDraws;
}

struct Setting {
  std::size_t classes;
  int rows;
};
constexpr Setting kSettings[] = {{10, 10'000}, {100, 10'000}, {1000, 100'000}};

TEST(TvInterval, ReachesZeroInNineteenOfTwentySamplesWithoutADifference) {
  for (const auto& [classes, rows] : kSettings) {
    for (const double sharpness : {1.0, 0.4}) {
      const Values pi = long_tail(classes);
      const double covered = coverage(pi, pi, rows, sharpness);
      EXPECT_GE(covered, 0.93) << classes << " classes, sharpness " << sharpness;
      EXPECT_LE(covered, 0.99) << classes << " classes, sharpness " << sharpness;
    }
  }
}

TEST(TvInterval, HoldsADifferenceThatIsSpreadOverTheClasses) {
  for (const auto& [classes, rows] : kSettings) {
    for (const double tv : {0.01, 0.05}) {
      for (const double sharpness : {1.0, 0.4}) {
        const Values pi = long_tail(classes);
        EXPECT_GE(coverage(pi, mixed(pi, flat(classes), tv), rows, sharpness), 0.93)
            << classes << " classes, tv " << tv << ", sharpness " << sharpness;
      }
    }
  }
}

TEST(TvInterval, HoldsADifferenceOfOneClass) {
  for (const auto& [classes, rows] : kSettings) {
    for (const double tv : {0.01, 0.05}) {
      const Values pi = long_tail(classes);
      EXPECT_GE(coverage(pi, mixed(pi, last_class(classes), tv), rows, 1.0), 0.93)
          << classes << " classes, tv " << tv;
    }
  }
}

TEST(TvInterval, IsTheOrdinaryOneWhereTheDifferenceIsFarBeyondNoise) {
  // Two classes, q_0 = 0.6 with a standard error of 0.005: 0.1 -2.17 to 1.81 errors below and
  // above, but for the correction of z_low and what half a row adds.
  ClassPrior prior;
  prior.n_rows = 9'600;
  prior.empirical = {0.5, 0.5};
  prior.effective = {0.6, 0.4};
  prior.log_q_stderr = {0.005 / 0.6, 0.005 / 0.4};
  const Interval ci = tv_interval(prior, 0.1);
  EXPECT_NEAR(ci.high, 0.1 + 2.17009 * 0.005, 1e-5);
  EXPECT_NEAR(ci.low, 0.1 - 0.005 * (0.79788 + (1.81191 + 0.7038 * 0.38050) * 0.60281), 1e-5);
  const double covered = coverage({0.5, 0.5}, {0.6, 0.4}, 9'600, 1.0);
  EXPECT_GE(covered, 0.93);
  EXPECT_LE(covered, 0.99);
}

TEST(TvInterval, IsAPointWhereAllRowsAgree) {
  ClassPrior prior;
  prior.n_rows = 100;
  prior.empirical = {0.5, 0.5};
  prior.effective = {0.6, 0.4};
  prior.log_q_stderr = {0, 0};
  const Interval ci = tv_interval(prior, 0.1);
  EXPECT_EQ(ci.low, 0.1);
  EXPECT_EQ(ci.high, 0.1);
}

TEST(TvInterval, IsWideForRowsTooFewToShowTheirVariation) {
  ClassPrior prior;
  prior.n_rows = 2;  // both rows of class 0
  prior.empirical = {0.5, 0.5};
  prior.effective = {1 - 1e-3, 1e-3};
  prior.log_q_stderr = {0, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_LT(tv_interval(prior, 0.499).low, 0.02);
  prior.n_rows = 1;
  const Interval ci = tv_interval(prior, 0.499);
  EXPECT_EQ(ci.low, 0);
  EXPECT_EQ(ci.high, 1);
}

}  // namespace
}  // namespace p2p
