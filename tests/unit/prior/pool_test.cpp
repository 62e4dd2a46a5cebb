#include "prior/pool.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/expect_error.hpp"

namespace p2p {
namespace {

const std::vector<double> kFrequencies{0.5, 0.25, 0.125, 0.0625, 0.0625};
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Pool, LeavesAPowerOfTheFrequencies) {
  std::vector<double> q;
  for (const double f : kFrequencies) q.push_back(0.8 * std::pow(f, 0.7));
  const std::vector<double> found = pooled(q, {0.1, 0.2, 0.1, 0.5, 0.5}, kFrequencies);
  for (std::size_t c = 0; c < q.size(); ++c) EXPECT_NEAR(found[c], q[c], 1e-12);
}

TEST(Pool, PutsAClassThatWasNotMeasuredOnTheLine) {
  std::vector<double> q;
  for (const double f : kFrequencies) q.push_back(0.8 * std::pow(f, 0.7));
  q.back() = 0;
  const std::vector<double> found = pooled(q, {0.1, 0.2, 0.1, 0.5, kNaN}, kFrequencies);
  EXPECT_NEAR(found.back(), 0.8 * std::pow(0.0625, 0.7), 1e-12);
}

TEST(Pool, BelievesWhatIsMeasuredWithoutError) {
  const std::vector<double> q{0.3, 0.3, 0.2, 0.1, 0.1};
  const std::vector<double> found = pooled(q, std::vector<double>(5, 0.0), kFrequencies);
  for (std::size_t c = 0; c < q.size(); ++c) EXPECT_NEAR(found[c], q[c], 1e-12);
}

TEST(Pool, NeedsFourMeasuredClassesOfSeveralFrequencies) {
  test::expect_usage({"--pool", "4 measured classes"}, [] {
    pooled({0.5, 0.3, 0.2}, {0.1, 0.1, 0.1}, {0.5, 0.3, 0.2});
  });
  test::expect_usage({"not all of one frequency"}, [] {
    pooled({0.4, 0.3, 0.2, 0.1}, {0.1, 0.1, 0.1, 0.1}, {0.25, 0.25, 0.25, 0.25});
  });
}

}  // namespace
}  // namespace p2p
